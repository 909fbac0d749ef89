{# Warns of events before 2000 (a `ts` in seconds is in 1970) or more than a day after
   their load. Returns a row per file and load, because COPY records no file. #}

{{ config(severity = 'warn') }}

with

events as (select * from {{ source('raw', 'staging_events') }}),

times as (

    select
        source_path,
        loaded_at,
        {{ timestamp_of_milliseconds('ts') }} as start_time

    from events

)

select
    source_path,
    loaded_at,
    count(*) as event_count,
    min(start_time) as first_start_time,
    max(start_time) as last_start_time

from times

where
    start_time < timestamp '2000-01-01'
    or {{ seconds_between('loaded_at', 'start_time') }} > 24 * 60 * 60

group by source_path, loaded_at
