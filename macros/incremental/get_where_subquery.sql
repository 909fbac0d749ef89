{# Returns the rows that a generic test reads. Replaces dbt's macro of this name. If the
   test's `meta` has a key `untested_by`, only rows with untested keys are read (see
   untested_rows). `arrivals` names the model in which new rows have the key, if it is
   not the tested model. #}
{% macro get_where_subquery(relation) %}
    {% set key = config.meta_get('untested_by') %}
    {% set arrivals = config.meta_get('arrivals') %}
    {% set where = config.get('where') %}
    {% if key and execute %}
        {% set place = table_of(arrivals) if arrivals %}
        {% set relation = untested_rows(relation, key, place) %}
    {% endif %}
    {{ return(
        '(select * from ' ~ relation ~ ' where ' ~ where ~ ') as tested' if where
        else relation
    ) }}
{% endmacro %}
