{# Which songs of the catalogue are longest? Songs without a length are left out. #}

with

songs as (select * from {{ ref('songs') }}),

artists as (select * from {{ ref('artists') }}),

ranked_songs as (

    select
        song_id,
        title,
        artist_id,
        year,
        duration as duration_seconds,
        row_number() over (
            order by duration desc, {{ by_code_point('song_id') }} asc
        ) as place

    from songs

    where duration is not null

)

select
    ranked_songs.song_id,
    ranked_songs.title,
    artists.name as artist_name,
    ranked_songs.year,
    ranked_songs.duration_seconds

from ranked_songs
inner join artists on ranked_songs.artist_id = artists.artist_id

where ranked_songs.place <= 10

order by ranked_songs.place asc
