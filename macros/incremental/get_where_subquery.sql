{# Returns the rows that a generic test looks at, in place of dbt's macro of this name:
   also those of a test whose `meta` names a key as `untested_by`. #}
{% macro get_where_subquery(relation) %}
    {% set key = config.meta_get('untested_by') %}
    {% set where = config.get('where') %}
    {% set rows = untested(relation, key) if key else relation %}
    {{ return(
        '(select * from ' ~ rows ~ ' where ' ~ where ~ ') as tested' if where else rows
    ) }}
{% endmacro %}
