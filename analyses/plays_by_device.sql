{# On which devices do people listen? The device comes from the user agent. It is null
   for plays without one. #}

with

plays as (select * from {{ ref('plays') }})

select
    device_family,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours,
    {{ rounded_ratio('100 * count(*)', 'sum(count(*)) over ()') }} as play_percent

from plays

group by device_family

order by
    play_count desc,
    {{ by_code_point('device_family') }} asc nulls last
