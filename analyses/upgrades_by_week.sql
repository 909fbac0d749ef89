{# Do more users upgrade or downgrade, week by week? Weeks begin on Monday, in UTC. A
   week without a change has no row. #}

with

user_level_history as (select * from {{ ref('user_level_history') }}),

changes as (

    select
        is_upgrade,
        is_downgrade,
        cast({{ dbt.date_trunc('week', 'valid_from') }} as date) as week_start_date

    from user_level_history

    where is_upgrade or is_downgrade

)

select
    week_start_date,
    count(case when is_upgrade then 1 end) as upgrade_count,
    count(case when is_downgrade then 1 end) as downgrade_count

from changes

group by week_start_date

order by week_start_date asc
