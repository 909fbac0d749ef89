{# Which listeners have gone quiet? They have plays, but none in the seven days that end
   with the latest play of all users. The level is the current level. Days are UTC. #}

with

plays as (select * from {{ ref('plays') }}),

users as (select * from {{ ref('users') }}),

last_day as (select max(play_date) as play_date from plays),

listeners as (

    select
        user_id,
        count(*) as play_count,
        max(start_time) as last_played_at,
        max(play_date) as last_play_date

    from plays

    where user_id is not null

    group by user_id

),

quiet_listeners as (

    select
        listeners.user_id,
        listeners.play_count,
        listeners.last_played_at,
        {{ dbt.datediff('listeners.last_play_date', 'last_day.play_date', 'day') }}
            as quiet_day_count

    from listeners
    cross join last_day

)

select
    users.user_id,
    users.first_name,
    users.last_name,
    users.level,
    quiet_listeners.last_played_at,
    quiet_listeners.quiet_day_count,
    quiet_listeners.play_count

from quiet_listeners
inner join users on quiet_listeners.user_id = users.user_id

where quiet_listeners.quiet_day_count >= 7

order by quiet_listeners.quiet_day_count desc, users.user_id asc
