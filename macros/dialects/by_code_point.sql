{# Returns text in a form that is compared by code point. A database's own collation
   would break ties otherwise on each engine. #}
{% macro by_code_point(text) -%}
{{ adapter.dispatch('by_code_point')(text) }}
{%- endmacro %}

{% macro default__by_code_point(text) -%}
{{ text }} collate "C"
{%- endmacro %}

{% macro duckdb__by_code_point(text) -%}
{{ text }}
{%- endmacro %}

{# It knows no collation and compares bytes, which is the order of code points. #}
{% macro redshift__by_code_point(text) -%}
{{ text }}
{%- endmacro %}

{# It compares bytes, and UTF-8 sorts as its code points do. #}
{% macro spark__by_code_point(text) -%}
{{ text }}
{%- endmacro %}
