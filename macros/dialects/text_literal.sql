{# Returns a text as a literal of SQL. What someone gives as a variable may hold a
   quote, or a backslash, which some engines read as the start of an escape. #}
{% macro text_literal(text) -%}
{{ adapter.dispatch('text_literal')(text | string) }}
{%- endmacro %}

{% macro default__text_literal(text) -%}
'{{ text | replace("'", "''") }}'
{%- endmacro %}

{% macro redshift__text_literal(text) -%}
'{{ text | replace("\\", "\\\\") | replace("'", "''") }}'
{%- endmacro %}

{# Two quotes end a literal and begin the next. #}
{% macro spark__text_literal(text) -%}
'{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}
