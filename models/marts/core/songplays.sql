{{ config(dist = 'start_time', sort = 'start_time') }}

with

events as (select * from {{ ref('int_events') }}),

songs as (select * from {{ ref('stg_songs') }}),

plays as (

    select
        {{ dbt_utils.generate_surrogate_key(['session_id', 'item_in_session']) }}
            as songplay_id,
        start_time,
        user_id,
        level,
        session_id,
        location,
        user_agent,
        item_in_session,
        song_title,
        artist_name,
        duration_seconds,
        loaded_at

    from events

    where page = 'NextSong'

),

{# The catalogue's own rows, not the artists table, which keeps one name of each. Logs
   and catalogue hold different recordings of a song: a duration only breaks ties. #}
candidates as (

    select
        plays.songplay_id,
        songs.song_id,
        songs.artist_id,
        row_number() over (
            partition by plays.songplay_id
            order by
                abs(plays.duration_seconds - songs.duration_seconds) asc nulls last,
                {{ by_code_point('songs.song_id') }} asc,
                {{ by_code_point('songs.artist_id') }} asc
        ) as precedence

    from plays
    inner join songs
        on
            plays.song_title = songs.title
            and plays.artist_name = songs.artist_name

),

matches as (

    select
        songplay_id,
        song_id,
        artist_id

    from candidates

    where precedence = 1

),

songplays as (

    select
        plays.songplay_id,
        plays.start_time,
        plays.user_id,
        plays.level,
        matches.song_id,
        matches.artist_id,
        plays.session_id,
        plays.location,
        plays.user_agent,
        plays.item_in_session,
        plays.song_title,
        plays.artist_name,
        plays.duration_seconds,
        plays.loaded_at

    from plays
    left join matches on plays.songplay_id = matches.songplay_id

)

select * from songplays
