{# Which artists are played most? All plays count, by the artist of the log. #}

with

songplays as (select * from {{ ref('songplays') }})

select
    artist_name,
    count(*) as play_count,
    count(distinct song_title) as song_count,
    count(distinct user_id) as listener_count

from songplays

group by artist_name

order by play_count desc, {{ by_code_point('artist_name') }} asc nulls last

limit 10
