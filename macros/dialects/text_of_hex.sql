{# Returns the text of UTF-8 bytes in hex. The bytes must be valid UTF-8, because
   engines handle invalid bytes differently. #}
{% macro text_of_hex(bytes) -%}
{{ adapter.dispatch('text_of_hex')(bytes) }}
{%- endmacro %}

{% macro default__text_of_hex(bytes) -%}
convert_from(decode({{ bytes }}, 'hex'), 'UTF8')
{%- endmacro %}

{% macro duckdb__text_of_hex(bytes) -%}
decode(unhex({{ bytes }}))
{%- endmacro %}

{% macro redshift__text_of_hex(bytes) -%}
from_varbyte(to_varbyte({{ bytes }}, 'hex'), 'utf8')
{%- endmacro %}

{% macro spark__text_of_hex(bytes) -%}
decode(unhex({{ bytes }}), 'UTF-8')
{%- endmacro %}
