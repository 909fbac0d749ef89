{# Who listens most, in plays and in hours? The level is the current level. #}

with

plays as (select * from {{ ref('plays') }}),

users as (select * from {{ ref('users') }}),

ranked_users as (

    select
        user_id,
        count(*) as play_count,
        {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours,
        row_number() over (order by count(*) desc, user_id asc) as place

    from plays

    where user_id is not null

    group by user_id

)

select
    users.user_id,
    users.first_name,
    users.last_name,
    users.level,
    ranked_users.play_count,
    ranked_users.listening_hours

from ranked_users
inner join users on ranked_users.user_id = users.user_id

where ranked_users.place <= 10

order by ranked_users.place asc
