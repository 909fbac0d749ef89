{{ config(dist = 'all', sort = 'user_id') }}

with

events as (select * from {{ ref('int_events') }}),

{# A level changes over time: the latest event decides, and ties follow the session. #}
ranked_events as (

    select
        user_id,
        first_name,
        last_name,
        gender,
        level,
        loaded_at,
        row_number() over (
            partition by user_id
            order by start_time desc, session_id desc, item_in_session desc
        ) as recency

    from events

    where user_id is not null

),

users as (

    select
        user_id,
        first_name,
        last_name,
        gender,
        level,
        loaded_at

    from ranked_events

    where recency = 1

)

select * from users
