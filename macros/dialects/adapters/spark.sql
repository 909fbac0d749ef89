{# Overrides of dbt-spark macros. Each macro replaces dbt's macro of the same name. #}

{# Contracts and unit tests cast to a column's data_type. Spark does not know `double
   precision`. #}
{% macro spark__cast(expression, data_type) -%}
cast(
    {{- expression }} as
    {{ 'double' if data_type == 'double precision' else data_type -}}
)
{%- endmacro %}

{# A timestamp with a zone would be shown in the local time zone of the machine. #}
{% macro spark__current_timestamp() -%}
localtimestamp()
{%- endmacro %}
