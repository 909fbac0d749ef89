{# Returns a query for the keys of rows that the strategy `replace_changed` replaces, of
   which it takes some columns: of the rows that were made anew, and of events that
   changed. #}
{% macro changed_keys(made_relation, key, taken) -%}
select {{ taken }} from {{ made_relation }}
{%- if model.name != 'int_event_versions' %}
union all
select {{ taken }} from {{ ref('int_event_versions') }}
where loaded_at > {{ watermark() }} and {{ key }} is not null
{%- endif %}
{%- endmacro %}
