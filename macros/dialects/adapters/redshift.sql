{# Overrides of dbt macros for Redshift. Each macro replaces dbt's macro of the same
   name (docs/decisions/0011). #}

{# Contracts and unit tests read a query's types from its empty result. With dbt's
   `where false`, Redshift returns wrong types for casts of null and of nullif. #}
{% macro redshift__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
{{ select_sql_header or '' }}
select * from (
    {{ select_sql }}
) as nothing_of_this
limit 0
{%- endmacro %}
