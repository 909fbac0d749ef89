{{ config(dist = 'session_id', sort = 'started_at', unique_key = 'session_id') }}

with

events as (select * from {{ ref('int_events') }}),

songplays as (select * from {{ ref('songplays') }}),

{% if is_incremental() %}

event_versions as (select * from {{ ref('int_event_versions') }}),

{# Also those with a play whose song arrived after it. #}
arrivals as (

    select session_id

    from event_versions

    where loaded_at > {{ watermark() }}

    union all

    select session_id

    from songplays

    where loaded_at > {{ watermark() }}

),

changed_sessions as (

    select session_id

    from arrivals

    group by session_id

),

{% endif %}

{# Who leaves the app is nobody from then on: the session stays his. #}
ranked_events as (

    select
        events.session_id,
        events.start_time,
        events.user_id,
        events.level,
        events.loaded_at,
        row_number() over (
            partition by events.session_id
            order by events.start_time desc, events.item_in_session desc
        ) as recency,
        row_number() over (
            partition by events.session_id
            order by
                case when events.user_id is null then 1 else 0 end asc,
                events.start_time desc,
                events.item_in_session desc
        ) as recency_of_user

    from events
    {% if is_incremental() %}

    inner join changed_sessions on events.session_id = changed_sessions.session_id

    {% endif %}

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
        songplays.session_id,
        cast(sum(songplays.duration_seconds) as numeric(18, 5)) as listening_seconds,
        count(*) as play_count,
        count(songplays.song_id) as matched_play_count,
        max(songplays.loaded_at) as loaded_at

    from songplays
    {% if is_incremental() %}

    inner join changed_sessions on songplays.session_id = changed_sessions.session_id

    {% endif %}

    group by songplays.session_id

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
