{# A play has the song_id and artist_id of a catalogue row with its title and artist. If
   there is no such row, both are null. #}

with

songplays as (select * from {{ ref('songplays') }}),

songs as (select * from {{ ref('stg_songs') }}),

names as (

    select
        title,
        artist_name

    from songs

    group by title, artist_name

),

candidates as (

    select
        title,
        artist_name,
        song_id,
        artist_id

    from songs

    group by title, artist_name, song_id, artist_id

)

select
    songplays.songplay_id,
    songplays.song_id,
    songplays.artist_id

from songplays
left join names
    on
        songplays.song_title = names.title
        and songplays.artist_name = names.artist_name
left join candidates
    on
        names.title = candidates.title
        and names.artist_name = candidates.artist_name
        and songplays.song_id = candidates.song_id
        and songplays.artist_id = candidates.artist_id

where
    (names.title is null and songplays.song_id is not null)
    or (names.title is null and songplays.artist_id is not null)
    or (names.title is not null and candidates.song_id is null)
