{# Which songs that are not in the catalogue are played most? Songs are counted by title
   and artist name in the log. #}

with

plays as (select * from {{ ref('plays') }}),

ranked_songs as (

    select
        song_title,
        artist_name,
        count(*) as play_count,
        count(distinct user_id) as listener_count,
        row_number() over (
            order by
                count(*) desc,
                {{ by_code_point('song_title') }} asc nulls last,
                {{ by_code_point('artist_name') }} asc nulls last
        ) as place

    from plays

    where not is_matched

    group by song_title, artist_name

)

select
    song_title,
    artist_name,
    play_count,
    listener_count

from ranked_songs

where place <= 10

order by place asc
