{{ config(
    dist = 'start_time',
    sort = 'start_time',
    unique_key = 'songplay_id',
    meta = {'is_bounded_by_sort': true}
) }}

with

events as (select * from {{ ref('int_events') }}),

songs as (select * from {{ ref('stg_songs') }}),

{% if is_incremental() %}

new_songs as (

    select
        title,
        artist_name

    from songs

    where loaded_at > {{ watermark() }}

    group by title, artist_name

),

{% endif %}

{# A play is made anew if its event changed, or if a song of its name arrived. #}
plays as (

    select
        events.songplay_id,
        events.start_time,
        events.user_id,
        events.level,
        events.session_id,
        events.location,
        events.user_agent,
        events.item_in_session,
        events.song_title,
        events.artist_name,
        events.duration_seconds,
        events.loaded_at

    from events
    {% if is_incremental() %}

    left join new_songs
        on
            events.song_title = new_songs.title
            and events.artist_name = new_songs.artist_name

    {% endif %}

    where
        events.page = 'NextSong'
    {% if is_incremental() %}

        and (events.loaded_at > {{ watermark() }} or new_songs.title is not null)

        {% endif %}

),

{# Read again where all plays are made anew: an engine that keeps what is read twice
   would keep all that is said of each. #}
named_plays as (

    select
        songplay_id,
        song_title,
        artist_name,
        duration_seconds

    {% if is_incremental() %}

    from plays

    {% else %}

    from {{ ref('int_events') }}

    where page = 'NextSong'

    {% endif %}

),

{# The catalogue's own rows, not the artists table, which keeps one name of each. Logs
   and catalogue hold different recordings of a song: a duration only breaks ties. #}
candidates as (

    select
        named_plays.songplay_id,
        songs.song_id,
        songs.artist_id,
        songs.loaded_at,
        row_number() over (
            partition by named_plays.songplay_id
            order by
                abs(named_plays.duration_seconds - songs.duration_seconds)
                asc nulls last,
                {{ by_code_point('songs.song_id') }} asc,
                {{ by_code_point('songs.artist_id') }} asc
        ) as precedence

    from named_plays
    inner join songs
        on
            named_plays.song_title = songs.title
            and named_plays.artist_name = songs.artist_name

),

matches as (

    select
        songplay_id,
        song_id,
        artist_id,
        loaded_at

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
        greatest(plays.loaded_at, matches.loaded_at) as loaded_at

    from plays
    left join matches on plays.songplay_id = matches.songplay_id

)

select * from songplays
