{# Returns text in a form that is compared by code point. Default collations differ
   between engines and would break ties differently. #}
{% macro by_code_point(text) -%}
{{ adapter.dispatch('by_code_point')(text) }}
{%- endmacro %}

{% macro default__by_code_point(text) -%}
{{ text }} collate "C"
{%- endmacro %}

{% macro duckdb__by_code_point(text) -%}
{{ text }}
{%- endmacro %}

{# Compares bytes by default, which is the order of code points. #}
{% macro redshift__by_code_point(text) -%}
{{ text }}
{%- endmacro %}

{# Compares bytes. UTF-8 bytes sort like code points. #}
{% macro spark__by_code_point(text) -%}
{{ text }}
{%- endmacro %}
