{# How much do free and paid listeners play? The level is the level at the play. #}

with

plays as (select * from {{ ref('plays') }})

select
    level,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours,
    {{ rounded_ratio('100 * count(*)', 'sum(count(*)) over ()') }} as play_percent

from plays

group by level

order by
    play_count desc,
    {{ by_code_point('level') }} asc nulls last
