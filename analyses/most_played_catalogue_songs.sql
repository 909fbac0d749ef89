{# Which songs of the catalogue are played most? Only plays that match a song count.
   most_played_songs counts all plays. #}

with

plays as (select * from {{ ref('plays') }}),

songs as (select * from {{ ref('songs') }}),

artists as (select * from {{ ref('artists') }}),

ranked_songs as (

    select
        song_id,
        count(*) as play_count,
        count(distinct user_id) as listener_count,
        row_number() over (
            order by count(*) desc, {{ by_code_point('song_id') }} asc
        ) as place

    from plays

    where is_matched

    group by song_id

)

select
    ranked_songs.song_id,
    songs.title,
    artists.name as artist_name,
    songs.year,
    ranked_songs.play_count,
    ranked_songs.listener_count

from ranked_songs
inner join songs on ranked_songs.song_id = songs.song_id
inner join artists on songs.artist_id = artists.artist_id

where ranked_songs.place <= 10

order by ranked_songs.place asc
