{# Returns the plan of this run for the current incremental model, made once, before the
   SQL is compiled. `adds`: whether the run is incremental. `reason`: why not, as text.
   `last`: the note of the last build. `code`: a digest of the SQL, contract and config
   of the model and all upstream nodes. `inputs`: the generations of the raw tables and
   of all upstream incremental models. `built_through`: the load that all of these have
   reached. `is_partial`: whether the run reads no rows (--empty) or a sample. #}
{% macro plan_of_build() %}
    {% set plans = graph.setdefault('plans', {}) %}
    {% set key = invocation_id ~ ' ' ~ model.unique_id %}
    {% if key in plans %}{{ return(plans[key]) }}{% endif %}
    {% set node = graph.nodes[model.unique_id] %}
    {% set code = [] %}
    {% set names = [] %}
    {% for part in [node] + models_before(node, []) | sort(attribute='unique_id') %}
        {% do code.append(code_of_node(part)) %}
        {% if part.config.materialized == 'incremental' and part.name != node.name %}
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
        'last': last,
        'code': local_md5(code | join(' ')),
        'inputs': inputs | join(', '),
        'built_through': none if none in reached else reached | min,
        'is_partial': flags.EMPTY or flags.SAMPLE,
    } %}
    {% set built = load_relation(this) %}
    {% set reason = why_full_refresh(plan) %}
    {% do plan.update({
        'adds': built and supports_incremental(built) and not dbt.should_full_refresh()
            and (plan.is_partial or not reason),
        'reason': reason if built else 'its table was dropped' if last,
    }) %}
    {% do plans.update({key: plan}) %}
    {{ return(plan) }}
{% endmacro %}
