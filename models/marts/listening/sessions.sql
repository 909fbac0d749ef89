{{ config(
    dist = 'session_id',
    sort = 'started_at',
    unique_key = 'session_id',
    materialized = 'incremental'
) }}

{# A session is affected by its events, and by plays whose song arrived later. #}
{% set changes = ['int_event_versions', 'songplays'] %}

with

events as (select * from {{ affected(ref('int_events'), changes) }}),

songplays as (select * from {{ affected(ref('songplays'), changes) }}),

{# After logout, events have no user_id; the session keeps its last known user. #}
ranked_events as (

    select
        session_id,
        start_time,
        user_id,
        level,
        loaded_at,
        row_number() over (
            partition by session_id
            order by start_time desc, item_in_session desc
        ) as recency,
        row_number() over (
            partition by session_id
            order by
                case when user_id is null then 1 else 0 end asc,
                start_time desc,
                item_in_session desc
        ) as recency_of_user

    from events

),

session_events as (

    select
        session_id,
        max(case when recency_of_user = 1 then user_id end) as user_id,
        max(case when recency = 1 then level end) as level,
        min(start_time) as started_at,
        max(start_time) as ended_at,
        count(*) as event_count,
        max(loaded_at) as loaded_at

    from ranked_events

    group by session_id

),

session_plays as (

    select
        session_id,
        cast(sum(duration_seconds) as numeric(18, 5)) as listening_seconds,
        count(*) as play_count,
        count(song_id) as matched_play_count,
        max(loaded_at) as loaded_at

    from songplays

    group by session_id

),

sessions as (

    select
        session_events.session_id,
        session_events.user_id,
        session_events.level,
        session_events.started_at,
        session_events.ended_at,
        session_events.event_count,
        coalesce(session_plays.play_count, 0) as play_count,
        coalesce(session_plays.matched_play_count, 0) as matched_play_count,
        coalesce(session_plays.listening_seconds, cast(0 as numeric(18, 5)))
            as listening_seconds,
        greatest(session_events.loaded_at, session_plays.loaded_at) as loaded_at

    from session_events
    left join session_plays on session_events.session_id = session_plays.session_id

)

select * from sessions
