{# Returns whether this dbt command writes tables. Users who only test or compile may
   not be allowed to write. #}
{% macro writes_tables() %}
    {{ return(
        execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot', 'clone')
    ) }}
{% endmacro %}
