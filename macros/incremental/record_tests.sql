{# Returns the statement that notes in int_builds through which load all data has passed
   all tests; nothing if one of them was not part of this run, or failed. Only a build
   notes it: who tests need not be allowed to write. #}
{% macro record_tests(results) %}
    {% if not execute or flags.WHICH != 'build' %}{{ return('') }}{% endif %}
    {% set passed = results | selectattr('status', 'in', ['pass', 'warn'])
        | map(attribute='node.unique_id') | list %}
    {% set models = [] %}
    {% for node in graph.nodes.values() %}
        {% if node.resource_type == 'test' and node.unique_id not in passed %}
            {{ return('') }}
        {% elif node.config.materialized == 'incremental'
            and node.name != 'int_builds' %}
            {% do models.append(node.name) %}
        {% endif %}
    {% endfor %}
    {% set built_through %}
        with
        ranked_builds as (
            select
                model_name,
                built_through,
                row_number() over (
                    partition by model_name
                    order by built_at desc
                ) as recency
            from {{ table_of('int_builds') }}
            where
                built_at <= '{{ this_run() }}'
                and model_name in ('{{ models | join("', '") }}')
        )
        select
            min(built_through) as built_through,
            count(built_through) as model_count
        from ranked_builds
        where recency = 1
    {% endset %}
    {% set found = run_query(built_through).rows[0] %}
    {% if found.model_count != models | length %}{{ return('') }}{% endif %}
    {{ return(note_build({
        'model_name': 'tests',
        'generation': this_run(),
        'code': code_of_tests(),
        'inputs': '',
        'built_through': found.built_through,
        'built_at': this_run(),
    })) }}
{% endmacro %}
