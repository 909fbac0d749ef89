{# What dbt-spark does in another way than this project needs. Each macro here stands in
   for dbt's own of the same name. #}

{# Contracts and unit tests cast to a column's data_type, of which Spark does not know
   one by its name in standard SQL. #}
{% macro spark__cast(expression, data_type) -%}
cast(
    {{- expression }} as
    {{ 'double' if data_type == 'double precision' else data_type -}}
)
{%- endmacro %}

{# A moment that has a zone would be told in that of the machine that asks. #}
{% macro spark__current_timestamp() -%}
localtimestamp()
{%- endmacro %}
