{# Which three songs do free and paid listeners play most? The level is the level at the
   play. #}

with

plays as (select * from {{ ref('plays') }}),

ranked_songs as (

    select
        level,
        song_title,
        artist_name,
        count(*) as play_count,
        count(distinct user_id) as listener_count,
        row_number() over (
            partition by level
            order by
                count(*) desc,
                {{ by_code_point('song_title') }} asc nulls last,
                {{ by_code_point('artist_name') }} asc nulls last
        ) as place

    from plays

    group by level, song_title, artist_name

)

select
    level,
    place,
    song_title,
    artist_name,
    play_count,
    listener_count

from ranked_songs

where place <= 3

order by {{ by_code_point('level') }} asc nulls last, place asc
