{# How many listeners are new, week by week, and how many come back? A new listener had
   no play in an earlier week. Weeks begin on Monday, in UTC. #}

with

plays as (select * from {{ ref('plays') }}),

listener_weeks as (

    select
        user_id,
        cast({{ dbt.date_trunc('week', 'start_time') }} as date) as week_start_date

    from plays

    where user_id is not null

    group by user_id, cast({{ dbt.date_trunc('week', 'start_time') }} as date)

),

first_weeks as (

    select
        user_id,
        week_start_date,
        min(week_start_date) over (partition by user_id) as first_week_start_date

    from listener_weeks

)

select
    week_start_date,
    count(*) as listener_count,
    count(case when week_start_date = first_week_start_date then 1 end)
        as new_listener_count,
    count(case when week_start_date > first_week_start_date then 1 end)
        as returning_listener_count

from first_weeks

group by week_start_date

order by week_start_date asc
