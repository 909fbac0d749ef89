{# Returns a relation to import. A full refresh reads all rows. An incremental run reads
   the rows of affected keys: keys of rows in the models `changes` that were loaded
   after the watermark. The refs are outside of `execute`, because dbt's parser must see
   them. #}
{% macro affected(relation, changes=['int_event_versions']) -%}
{%- set key = config.get('unique_key') -%}
{%- set is_restricted = is_incremental() -%}
{{ relation }}
{%- if is_restricted %}
where {{ key }} in (
{%- endif %}
{%- for name in changes if is_restricted or not execute %}
    {{ 'union all ' if not loop.first -}}
    select {{ key }} from {{ ref(name) }}
    where loaded_at > {{ watermark() }} and {{ key }} is not null
{%- endfor %}
{%- if is_restricted %}
)
{%- endif %}
{%- endmacro %}
