{# Returns the candidate records of int_event_versions, to import. In a full refresh
   these are all records. In an incremental run they are the records loaded after the
   watermark, and the stored versions of the same events (`is_known`, with `was_current`
   for the current version). #}
{% macro arrived_or_known(records) -%}
{%- set columns = [] -%}
{%- for column in model.columns
    if column not in ('songplay_id', 'event_date', 'is_current') -%}
    {%- do columns.append(column) -%}
{%- endfor -%}
{%- if not is_incremental() -%}
(select *, false as is_known, false as was_current from {{ records }}) as records
{%- else -%}
(
    select {{ columns | join(', ') }}, false as is_known, false as was_current
    from {{ records }}
    where loaded_at > {{ watermark() }}
    union all
    select known.{{ columns | join(', known.') }}, true, known.is_current
    from {{ this }} as known
    inner join (
        select session_id, item_in_session from {{ records }}
        where loaded_at > {{ watermark() }}
        group by session_id, item_in_session
    ) as arrived
        on
            known.session_id = arrived.session_id
            and known.item_in_session = arrived.item_in_session
) as records
{%- endif -%}
{%- endmacro %}
