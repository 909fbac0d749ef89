{# On which days of the week is music played? Days are UTC. #}

with

plays as (select * from {{ ref('plays') }})

select
    weekday,
    weekday_name,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours

from plays

group by weekday, weekday_name

order by weekday asc
