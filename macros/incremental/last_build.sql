{# Returns the latest row of int_builds for a model, or for 'raw'; none without one. For
   the model at hand it is that of an earlier run: this run's is for the next. #}
{% macro last_build(model_name) %}
    {% set builds = ref('int_builds') %}
    {% if not load_relation(builds) %}{{ return(none) }}{% endif %}
    {% set rows = run_query(
        'select generation, code, inputs, built_through from ' ~ builds
        ~ " where model_name = '" ~ model_name ~ "'"
        ~ (" and built_at < '%s'" % this_run() if model_name == model.name else '')
        ~ ' order by built_at desc limit 1'
    ).rows %}
    {{ return(rows[0] if rows else none) }}
{% endmacro %}
