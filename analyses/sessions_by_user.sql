{# Who comes back most often, and how much do they play per session? Sessions without a
   user are left out. The level is the current level. #}

with

sessions as (select * from {{ ref('sessions') }}),

users as (select * from {{ ref('users') }}),

ranked_users as (

    select
        user_id,
        count(*) as session_count,
        cast(sum(play_count) as bigint) as play_count,
        {{ rounded_ratio('sum(play_count)', 'count(*)') }} as plays_per_session,
        {{ rounded_ratio('sum(listening_seconds)', '3600') }} as listening_hours,
        row_number() over (order by count(*) desc, user_id asc) as place

    from sessions

    where user_id is not null

    group by user_id

)

select
    users.user_id,
    users.first_name,
    users.last_name,
    users.level,
    ranked_users.session_count,
    ranked_users.play_count,
    ranked_users.plays_per_session,
    ranked_users.listening_hours

from ranked_users
inner join users on ranked_users.user_id = users.user_id

where ranked_users.place <= 10

order by ranked_users.place asc
