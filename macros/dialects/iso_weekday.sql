{# Returns the ISO day of the week of a timestamp, 1 for Monday to 7 for Sunday. #}
{% macro iso_weekday(timestamp) -%}
{{ adapter.dispatch('iso_weekday')(timestamp) }}
{%- endmacro %}

{% macro default__iso_weekday(timestamp) -%}
cast(extract(isodow from {{ timestamp }}) as integer)
{%- endmacro %}

{# Has no isodow; its dow is 0 on Sunday. #}
{% macro redshift__iso_weekday(timestamp) -%}
mod(cast(extract(dow from {{ timestamp }}) as integer) + 6, 7) + 1
{%- endmacro %}

{% macro spark__iso_weekday(timestamp) -%}
cast(extract(dayofweek_iso from {{ timestamp }}) as integer)
{%- endmacro %}
