{{ config(
    dist = 'start_time',
    sort = 'start_time',
    unique_key = 'session_id',
    materialized = 'incremental',
    meta = {'is_bounded_by_sort': true}
) }}

{# Plays are replaced by session, because a number is found faster than a hash. New
   versions of the session's events and new songs with their title affect them. #}
{% set changes = ['int_event_versions', 'int_song_candidates'] %}

with

events as (select * from {{ affected(ref('int_events'), changes) }}),

candidates as (select * from {{ affected(ref('int_song_candidates'), changes) }}),

{# Logs and catalogue have different recordings, so duration only breaks ties. #}
ranked_candidates as (

    select
        songplay_id,
        song_id,
        artist_id,
        loaded_at,
        row_number() over (
            partition by songplay_id
            order by
                seconds_apart asc nulls last,
                {{ by_code_point('song_id') }} asc,
                {{ by_code_point('artist_id') }} asc
        ) as precedence

    from candidates

),

matches as (

    select
        songplay_id,
        song_id,
        artist_id,
        loaded_at

    from ranked_candidates

    where precedence = 1

),

songplays as (

    select
        events.songplay_id,
        events.start_time,
        events.user_id,
        events.level,
        matches.song_id,
        matches.artist_id,
        events.session_id,
        events.location,
        events.user_agent,
        events.item_in_session,
        events.song_title,
        events.artist_name,
        events.duration_seconds,
        greatest(events.loaded_at, matches.loaded_at) as loaded_at

    from events
    left join matches on events.songplay_id = matches.songplay_id

    where events.page = 'NextSong'

)

select * from songplays
