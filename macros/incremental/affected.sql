{# Returns a relation to import. A full build reads all of it. An incremental run
   reads its rows of affected keys: the keys for which a model in `changes` has a row
   that was loaded after the watermark. dbt's parser, which does not execute, must see
   the refs. #}
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
