{# Returns text without blanks, tabs, LF, VT, FF and CR at its ends. A plain trim()
   takes blanks alone. #}
{% macro trim_white_space(text) -%}
{{ adapter.dispatch('trim_white_space')(text) }}
{%- endmacro %}

{% macro default__trim_white_space(text) -%}
btrim({{ text }}, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))
{%- endmacro %}

{% macro duckdb__trim_white_space(text) -%}
trim({{ text }}, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))
{%- endmacro %}

{# Of btrim it is not documented that the characters are a set. #}
{% macro redshift__trim_white_space(text) -%}
{%- set white = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)" -%}
ltrim(rtrim({{ text }}, {{ white }}), {{ white }})
{%- endmacro %}

{% macro spark__trim_white_space(text) -%}
trim(
    both ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) from {{ text }}
)
{%- endmacro %}
