{# Which artists are played most? All plays count, by the artist name in the log. #}

with

plays as (select * from {{ ref('plays') }}),

ranked_artists as (

    select
        artist_name,
        count(*) as play_count,
        count(distinct song_title) as song_count,
        count(distinct user_id) as listener_count,
        row_number() over (
            order by count(*) desc, {{ by_code_point('artist_name') }} asc nulls last
        ) as place

    from plays

    group by artist_name

)

select
    artist_name,
    play_count,
    song_count,
    listener_count

from ranked_artists

where place <= 10

order by place asc
