{# How much do women and men listen? Plays without a user have no gender. #}

with

plays as (select * from {{ ref('plays') }})

select
    gender,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours,
    {{ rounded_ratio('100 * count(*)', 'sum(count(*)) over ()') }} as play_percent

from plays

group by gender

order by
    play_count desc,
    {{ by_code_point('gender') }} asc nulls last
