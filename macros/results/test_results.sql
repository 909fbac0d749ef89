{# Returns the table that keeps the results of tests: in a schema beside the
   marts, where people who browse the marts do not meet it. #}
{% macro test_results() %}
    {{ return(api.Relation.create(
        database=target.database,
        schema=target.schema ~ '_builds',
        identifier='test_results',
        type='table'
    )) }}
{% endmacro %}
