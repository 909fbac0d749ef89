{# Returns, as a timestamp, the latest load that the current incremental model contains.
   Rows that were loaded later are new. #}
{% macro watermark() -%}
{%- set is_known = execute and flags.INTROSPECT is not sameas false -%}
{%- set last = plan_of_build().last if is_known -%}
{%- set through = last.built_through if last -%}
cast('{{ through or '1970-01-01' }}' as timestamp)
{%- endmacro %}
