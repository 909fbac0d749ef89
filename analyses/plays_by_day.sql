{# How does listening develop from day to day? Days are UTC; a day without plays has no
   row. #}

with

songplays as (select * from {{ ref('songplays') }})

select
    cast(start_time as date) as play_date,
    count(*) as play_count,
    count(distinct user_id) as listener_count

from songplays

group by cast(start_time as date)

order by play_date asc
