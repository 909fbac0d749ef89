{# Returns a query for the keys whose rows the strategy `replace_changed` replaces, with
   the columns in `taken`: keys of the new rows, and keys of all versions of events that
   were delivered after the watermark. Raises a compiler error if the key is not a
   column of int_event_versions. #}
{% macro changed_keys(made_relation, key, taken) -%}
{%- set versions = graph.nodes['model.' ~ project_name ~ '.int_event_versions'] -%}
{%- if key not in versions.columns -%}
    {%- do exceptions.raise_compiler_error(
        model.name ~ ' cannot be incremental: its unique_key is ' ~ key
        ~ ', which is not a column of int_event_versions. Remove materialized from its'
        ~ ' config, so that it is a table.'
    ) -%}
{%- endif -%}
select {{ taken }} from {{ made_relation }}
{%- if model.name != 'int_event_versions' %}
union all
select {{ taken }} from {{ table_of('int_event_versions') }}
where loaded_at > {{ watermark() }} and {{ key }} is not null
{%- endif %}
{%- endmacro %}
