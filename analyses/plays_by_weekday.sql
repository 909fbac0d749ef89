{# On which days of the week is music played? 1 is Monday, 7 is Sunday; days are UTC. #}

with

plays as (select * from {{ ref('plays') }})

select
    weekday,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours

from plays

group by weekday

order by weekday asc
