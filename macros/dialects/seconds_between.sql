{# Returns the seconds from one timestamp to another, exact to the millisecond. dbt's
   datediff counts boundaries of seconds instead. #}
{% macro seconds_between(earlier, later) -%}
{{ adapter.dispatch('seconds_between')(earlier, later) }}
{%- endmacro %}

{% macro default__seconds_between(earlier, later) -%}
cast(extract(epoch from {{ later }} - {{ earlier }}) as numeric(18, 3))
{%- endmacro %}

{% macro duckdb__seconds_between(earlier, later) -%}
cast((epoch_ms({{ later }}) - epoch_ms({{ earlier }})) * 0.001 as numeric(18, 3))
{%- endmacro %}

{% macro redshift__seconds_between(earlier, later) -%}
cast(datediff(ms, {{ earlier }}, {{ later }}) * 0.001 as numeric(18, 3))
{%- endmacro %}

{% macro spark__seconds_between(earlier, later) -%}
cast(timestampdiff(millisecond, {{ earlier }}, {{ later }}) * 0.001 as numeric(18, 3))
{%- endmacro %}
