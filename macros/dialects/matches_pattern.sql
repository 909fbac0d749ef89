{# Returns whether a regular expression matches anywhere in a text. #}
{% macro matches_pattern(text, pattern) -%}
{{ adapter.dispatch('matches_pattern')(text, pattern) }}
{%- endmacro %}

{% macro default__matches_pattern(text, pattern) -%}
{{ text }} ~ '{{ pattern }}'
{%- endmacro %}

{% macro duckdb__matches_pattern(text, pattern) -%}
regexp_matches({{ text }}, '{{ pattern }}')
{%- endmacro %}

{% macro spark__matches_pattern(text, pattern) -%}
{{ text }} rlike '{{ pattern | replace("\\", "\\\\") }}'
{%- endmacro %}
