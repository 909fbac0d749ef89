{# How many users have each level now, and how many ever had it? All users of the app
   count, including users without a play. #}

with

user_level_history as (select * from {{ ref('user_level_history') }})

select
    level,
    count(distinct case when is_current then user_id end) as current_user_count,
    count(distinct user_id) as past_or_current_user_count

from user_level_history

group by level

order by
    current_user_count desc,
    {{ by_code_point('level') }} asc nulls last
