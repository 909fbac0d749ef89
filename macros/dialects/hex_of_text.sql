{# Returns the UTF-8 bytes of a text as lower-case hex, a blank before each byte, so
   that a byte can be found without meeting halves of two others. #}
{% macro hex_of_text(text) -%}
{{ adapter.dispatch('hex_of_text')(text) }}
{%- endmacro %}

{% macro default__hex_of_text(text) -%}
regexp_replace(encode(convert_to({{ text }}, 'UTF8'), 'hex'), '(..)', ' \1', 'g')
{%- endmacro %}

{% macro duckdb__hex_of_text(text) -%}
regexp_replace(lower(hex(encode({{ text }}))), '(..)', ' \1', 'g')
{%- endmacro %}
