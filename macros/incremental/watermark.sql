{# Returns, as a timestamp, the load up to which the incremental model at hand has been
   built: what was loaded later is new to it. #}
{% macro watermark() -%}
{%- set last = last_build(model.name) if execute -%}
cast('{{ last.built_through if last else '1970-01-01' }}' as timestamp)
{%- endmacro %}
