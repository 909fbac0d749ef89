{# Returns the rows that a generic test looks at, in place of dbt's macro of this
   name: also those of a test whose `meta` names a key as `untested_by`, and with
   `arrivals` a model, if it is in another than the tested one that new rows have that
   key. #}
{% macro get_where_subquery(relation) %}
    {% set key = config.meta_get('untested_by') %}
    {% set arrivals = config.meta_get('arrivals') %}
    {% set where = config.get('where') %}
    {% if key and execute %}
        {% set relation = untested(relation, key, table_of(arrivals) if arrivals) %}
    {% endif %}
    {{ return(
        '(select * from ' ~ relation ~ ' where ' ~ where ~ ') as tested' if where
        else relation
    ) }}
{% endmacro %}
