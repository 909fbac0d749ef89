{# Returns the ISO day of the week of a timestamp, 1 for Monday to 7 for Sunday. #}
{% macro iso_weekday(timestamp) -%}
{{ adapter.dispatch('iso_weekday')(timestamp) }}
{%- endmacro %}

{% macro default__iso_weekday(timestamp) -%}
cast(extract(isodow from {{ timestamp }}) as integer)
{%- endmacro %}
