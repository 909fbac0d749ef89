{# Returns the latest row of int_builds for a model, for 'raw' or for 'tests'; none
   without one. For the model at hand it is that of an earlier run: this run's is for
   the next. All are read in one query, once for each time that a model is compiled or
   run. #}
{% macro last_build(model_name) %}
    {% if 'last_builds' not in model %}
        {% set builds = table_of('int_builds') %}
        {% set latest_builds %}
            with
            ranked_builds as (
                select
                    model_name,
                    generation,
                    code,
                    inputs,
                    built_through,
                    built_at,
                    row_number() over (
                        partition by model_name
                        order by built_at desc
                    ) as recency
                from {{ builds }}
                where model_name != '{{ model.name }}' or built_at < '{{ this_run() }}'
            )
            select * from ranked_builds where recency = 1
        {% endset %}
        {% set rows = run_query(latest_builds).rows if load_relation(builds) else [] %}
        {% do model.update({'last_builds': {}}) %}
        {% for row in rows %}
            {% do model.last_builds.update({row.model_name: row}) %}
        {% endfor %}
    {% endif %}
    {{ return(model.last_builds.get(model_name)) }}
{% endmacro %}
