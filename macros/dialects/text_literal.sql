{# Returns a text as an SQL literal. A dbt variable may contain quotes, and backslashes,
   which start an escape on some engines. #}
{% macro text_literal(text) -%}
{{ adapter.dispatch('text_literal')(text | string) }}
{%- endmacro %}

{% macro default__text_literal(text) -%}
'{{ text | replace("'", "''") }}'
{%- endmacro %}

{% macro redshift__text_literal(text) -%}
'{{ text | replace("\\", "\\\\") | replace("'", "''") }}'
{%- endmacro %}

{# Two quotes would end a literal and begin the next. #}
{% macro spark__text_literal(text) -%}
'{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}
