{# How much does a user play before an upgrade? A row per upgrade, with the plays of the
   free time that it ended; moments are UTC. #}

with

user_level_history as (select * from {{ ref('user_level_history') }}),

users as (select * from {{ ref('users') }}),

stretches as (

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
    stretches.user_id,
    users.first_name,
    users.last_name,
    stretches.free_since,
    stretches.upgraded_at,
    stretches.play_count

from stretches
inner join users on stretches.user_id = users.user_id

where stretches.is_upgrade

order by stretches.upgraded_at asc, stretches.user_id asc
