{# Which songs are played most? All plays count, by the title and artist of the log. #}

with

songplays as (select * from {{ ref('songplays') }})

select
    song_title,
    artist_name,
    count(*) as play_count,
    count(distinct user_id) as listener_count

from songplays

group by song_title, artist_name

order by
    play_count desc,
    {{ by_code_point('song_title') }} asc nulls last,
    {{ by_code_point('artist_name') }} asc nulls last

limit 10
