{# What dbt does in another way than Redshift needs. Each macro here stands in for dbt's
   own of the same name (docs/decisions/0011). #}

{# Contracts and unit tests read a query's types from its empty result. With dbt's `where
   false` Redshift gives wrong ones for nulls that are cast, and for nullif that is. #}
{% macro redshift__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
{{ select_sql_header or '' }}
select * from (
    {{ select_sql }}
) as nothing_of_this
limit 0
{%- endmacro %}
