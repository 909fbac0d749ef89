{# How much does a user play before an upgrade? One row per upgrade, with the plays of
   the free period before it. Times are UTC. #}

with

user_level_history as (select * from {{ ref('user_level_history') }}),

users as (select * from {{ ref('users') }}),

periods as (

    select
        user_id,
        valid_from as upgraded_at,
        is_upgrade,
        lag(valid_from) over (
            partition by user_id order by valid_from asc
        ) as free_since,
        lag(play_count) over (
            partition by user_id order by valid_from asc
        ) as play_count

    from user_level_history

)

select
    periods.user_id,
    users.first_name,
    users.last_name,
    periods.free_since,
    periods.upgraded_at,
    periods.play_count

from periods
inner join users on periods.user_id = users.user_id

where periods.is_upgrade

order by periods.upgraded_at asc, periods.user_id asc
