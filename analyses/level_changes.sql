{# Who changed between free and paid, and when? One row per change. Times are UTC. #}

with

user_level_history as (select * from {{ ref('user_level_history') }}),

users as (select * from {{ ref('users') }})

select
    user_level_history.valid_from as changed_at,
    user_level_history.user_id,
    users.first_name,
    users.last_name,
    user_level_history.previous_level,
    user_level_history.level

from user_level_history
inner join users on user_level_history.user_id = users.user_id

where user_level_history.is_upgrade or user_level_history.is_downgrade

order by user_level_history.valid_from asc, user_level_history.user_id asc
