{# A `ts` in seconds is a moment of 1970, and a wrong clock may be ahead: neither may
   stop a build. Returns files; where COPY left no file, the load tells which it was. #}

{{ config(severity = 'warn') }}

with

events as (select * from {{ source('raw', 'staging_events') }}),

moments as (

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

from moments

where
    start_time < timestamp '2000-01-01'
    or {{ seconds_between('loaded_at', 'start_time') }} > 24 * 60 * 60

group by source_path, loaded_at
