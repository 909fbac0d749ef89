{# How does listening develop from day to day? Days are UTC. A day without plays has no
   row. #}

with

plays as (select * from {{ ref('plays') }})

select
    play_date,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours

from plays

group by play_date

order by play_date asc
