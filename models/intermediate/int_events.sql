{{ config(materialized = 'view') }}

with

event_versions as (select * from {{ ref('int_event_versions').render() }}),

int_events as (

    select
        songplay_id,
        session_id,
        item_in_session,
        start_time,
        user_id,
        page,
        auth,
        method,
        status,
        level,
        first_name,
        last_name,
        gender,
        location,
        user_agent,
        registered_at,
        song_title,
        artist_name,
        duration_seconds,
        event_date,
        loaded_at

    from event_versions

    where is_current

)

select * from int_events
