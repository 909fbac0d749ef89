{# At which hours of the day is music played? Hours are UTC. An hour without plays has
   no row. #}

with

plays as (select * from {{ ref('plays') }})

select
    hour,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours

from plays

group by hour

order by hour asc
