{# Which song is played most in each location? Locations are as the app writes them. #}

with

plays as (select * from {{ ref('plays') }}),

ranked_songs as (

    select
        location,
        song_title,
        artist_name,
        count(*) as play_count,
        count(distinct user_id) as listener_count,
        row_number() over (
            partition by location
            order by
                count(*) desc,
                {{ by_code_point('song_title') }} asc nulls last,
                {{ by_code_point('artist_name') }} asc nulls last
        ) as place

    from plays

    group by location, song_title, artist_name

)

select
    location,
    song_title,
    artist_name,
    play_count,
    listener_count

from ranked_songs

where place = 1

order by {{ by_code_point('location') }} asc nulls last
