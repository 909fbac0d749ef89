{# Returns the UTF-8 bytes of a text as lower-case hex. #}
{% macro hex_of_text(text) -%}
{{ adapter.dispatch('hex_of_text')(text) }}
{%- endmacro %}

{% macro default__hex_of_text(text) -%}
encode(convert_to({{ text }}, 'UTF8'), 'hex')
{%- endmacro %}

{% macro duckdb__hex_of_text(text) -%}
lower(hex(encode({{ text }})))
{%- endmacro %}

{% macro redshift__hex_of_text(text) -%}
from_varbyte(to_varbyte({{ text }}, 'utf8'), 'hex')
{%- endmacro %}

{% macro spark__hex_of_text(text) -%}
lower(hex({{ text }}))
{%- endmacro %}
