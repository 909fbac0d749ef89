{# Which artists of the catalogue are played most? Only plays that match a song count.
   most_played_artists counts all plays. #}

with

plays as (select * from {{ ref('plays') }}),

artists as (select * from {{ ref('artists') }}),

ranked_artists as (

    select
        artist_id,
        count(*) as play_count,
        count(distinct song_id) as song_count,
        count(distinct user_id) as listener_count,
        row_number() over (
            order by count(*) desc, {{ by_code_point('artist_id') }} asc
        ) as place

    from plays

    where is_matched

    group by artist_id

)

select
    ranked_artists.artist_id,
    artists.name as artist_name,
    artists.location as artist_location,
    ranked_artists.play_count,
    ranked_artists.song_count,
    ranked_artists.listener_count

from ranked_artists
inner join artists on ranked_artists.artist_id = artists.artist_id

where ranked_artists.place <= 10

order by ranked_artists.place asc
