{# Each user has one current period, with the level of `users`. The periods of a user
   contain all plays of the user. #}

with

users as (select * from {{ ref('users') }}),

songplays as (select * from {{ ref('songplays') }}),

user_level_history as (select * from {{ ref('user_level_history') }}),

plays_per_user as (

    select
        user_id,
        count(*) as play_count

    from songplays

    where user_id is not null

    group by user_id

),

periods_per_user as (

    select
        user_id,
        sum(case when is_current then 1 else 0 end) as current_count,
        max(case when is_current then level end) as level,
        sum(play_count) as play_count

    from user_level_history

    group by user_id

)

select
    users.user_id,
    users.level as user_level,
    periods_per_user.level as current_level,
    periods_per_user.current_count,
    plays_per_user.play_count,
    periods_per_user.play_count as play_count_of_periods

from users
left join periods_per_user on users.user_id = periods_per_user.user_id
left join plays_per_user on users.user_id = plays_per_user.user_id

where
    coalesce(periods_per_user.current_count, 0) != 1
    or coalesce(users.level, '') != coalesce(periods_per_user.level, '')
    or coalesce(plays_per_user.play_count, 0) != periods_per_user.play_count
