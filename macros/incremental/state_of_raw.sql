{# Returns the state of the raw tables. `generation`: the latest load that replaced a
   file, or else the first load. `built_through`: the latest load. Raises a compiler
   error if nothing was ever loaded. #}
{% macro state_of_raw() %}
    {% set node = graph.sources['source.' ~ project_name ~ '.raw.load_history'] %}
    {% set history = api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.identifier
    ) %}
    {% if not load_relation(history) %}
        {% do exceptions.raise_compiler_error(
            'The raw tables of target ' ~ target.name ~ ' are empty. Load the sample:'
            ~ ' python scripts/bootstrap.py --sample. Your own data: --data FOLDER.'
        ) %}
    {% endif %}
    {% set state %}
        select
            coalesce(
                max(case when is_new_version then loaded_at end),
                min(loaded_at)
            ) as generation,
            max(loaded_at) as built_through
        from {{ history }}
    {% endset %}
    {{ return(run_query(state).rows[0]) }}
{% endmacro %}
