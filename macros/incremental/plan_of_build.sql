{# Returns how the incremental model at hand is built in this run, decided once, before
   its SQL is compiled:
   `adds`, whether to the table that is there, or anew; `reason`, why anew, for people;
   `last`, the note of its last build; `code`, a digest of the SQL, contract and config of
   the model and of all before it; `inputs`, the generations of the incremental models
   before it and of the raw tables; `built_through`, the load that they have all reached.
   A run that reads no rows, or some, adds nothing and notes nothing (`is_partial`). #}
{% macro plan_of_build() %}
    {% set node = graph.nodes[model.unique_id] %}
    {% if node.plan and node.plan.run == invocation_id %}{{ return(node.plan) }}{% endif %}
    {% set code = [] %}
    {% set names = [] %}
    {% for part in [node] + models_before(node, []) | sort(attribute='unique_id') %}
        {% do code.append(code_of_node(part)) %}
        {% if part.config.materialized == 'incremental' and part != node %}
            {% do names.append(part.name) %}
        {% endif %}
    {% endfor %}
    {% set builds = last_builds([node.name] + names) %}
    {% set last = builds.get(node.name) %}
    {% set raw = state_of_raw() %}
    {% set inputs = ['raw ' ~ raw.generation] %}
    {% set reached = [raw.built_through] %}
    {% for name in names %}
        {% set input = builds.get(name) %}
        {% do inputs.append(name ~ ' ' ~ (input.generation if input else 'unknown')) %}
        {% do reached.append(input.built_through if input else none) %}
    {% endfor %}
    {% set plan = {
        'run': invocation_id,
        'last': last,
        'code': local_md5(code | join(' ')),
        'inputs': inputs | join(', '),
        'built_through': none if none in reached else reached | min,
        'is_partial': flags.EMPTY or flags.SAMPLE,
    } %}
    {% set built = load_relation(this) %}
    {% set reason = why_anew(plan) %}
    {% do plan.update({
        'adds': built and can_be_added_to(built) and not dbt.should_full_refresh()
            and (plan.is_partial or not reason),
        'reason': reason if built else 'its table was gone' if last,
    }) %}
    {% do node.update({'plan': plan}) %}
    {{ return(plan) }}
{% endmacro %}
