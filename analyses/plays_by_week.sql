{# How does listening develop from week to week? Weeks begin on Monday, in UTC. A week
   without plays has no row. #}

with

plays as (select * from {{ ref('plays') }}),

weekly_plays as (

    select
        user_id,
        duration_seconds,
        cast({{ dbt.date_trunc('week', 'start_time') }} as date) as week_start_date

    from plays

)

select
    week_start_date,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours

from weekly_plays

group by week_start_date

order by week_start_date asc
