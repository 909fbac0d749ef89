with

songplays as (select * from {{ ref('songplays') }}),

songs as (select * from {{ ref('stg_songs') }}),

{# Every play that a row of the catalogue names must be matched, and to such a row. #}
named as (

    select
        songplays.songplay_id,
        max(
            case
                when
                    songs.song_id = songplays.song_id
                    and songs.artist_id = songplays.artist_id
                    then 1
                else 0
            end
        ) as is_match_a_candidate

    from songplays
    inner join songs
        on
            songplays.song_title = songs.title
            and songplays.artist_name = songs.artist_name

    group by songplays.songplay_id

)

select
    songplays.songplay_id,
    songplays.song_id,
    songplays.artist_id

from songplays
left join named on songplays.songplay_id = named.songplay_id

where
    (named.songplay_id is null and songplays.song_id is not null)
    or (named.songplay_id is null and songplays.artist_id is not null)
    or named.is_match_a_candidate = 0
