{# Where is music played most? Places are as the app writes them: City-City, ST-ST. #}

with

songplays as (select * from {{ ref('songplays') }})

select
    location,
    count(*) as play_count,
    count(distinct user_id) as listener_count

from songplays

group by location

order by play_count desc, {{ by_code_point('location') }} asc nulls last

limit 10
