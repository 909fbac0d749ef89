{{ config(materialized = 'view') }}

with

events as (select * from {{ ref('int_events').render() }}),

songs as (select * from {{ ref('stg_songs').render() }}),

{# Joins catalogue rows, not the artists table, which has only one name per artist. #}
int_song_candidates as (

    select
        events.songplay_id,
        events.session_id,
        songs.song_id,
        songs.artist_id,
        cast(abs(events.duration_seconds - songs.duration_seconds) as numeric(14, 5))
            as seconds_apart,
        songs.loaded_at

    from events
    inner join songs
        on
            events.song_title = songs.title
            and events.artist_name = songs.artist_name

    where events.page = 'NextSong'

)

select * from int_song_candidates
