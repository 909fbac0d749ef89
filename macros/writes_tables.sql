{# Returns whether this run of dbt writes tables. Who only tests or compiles need not be
   allowed to change anything. #}
{% macro writes_tables() %}
    {{ return(
        execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot', 'clone')
    ) }}
{% endmacro %}
