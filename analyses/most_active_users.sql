{# Who listens most, in plays and in hours? The level is the user's current one. #}

with

songplays as (select * from {{ ref('songplays') }}),

users as (select * from {{ ref('users') }})

select
    users.user_id,
    users.first_name,
    users.last_name,
    users.level,
    count(*) as play_count,
    {{ rounded_ratio('sum(songplays.duration_seconds)', '3600') }} as listening_hours

from songplays
inner join users on songplays.user_id = users.user_id

group by users.user_id, users.first_name, users.last_name, users.level

order by play_count desc, users.user_id asc

limit 10
