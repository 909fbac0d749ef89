{{ config(dist = 'all', sort = 'user_id', unique_key = 'user_id') }}

with

events as (select * from {{ ref('int_events') }}),

{% if is_incremental() %}

event_versions as (select * from {{ ref('int_event_versions') }}),

known_users as (select * from {{ this }}),

changed_users as (

    select
        user_id,
        max(case when is_current then 0 else 1 end) as has_lost_events

    from event_versions

    where loaded_at > {{ watermark() }} and user_id is not null

    group by user_id

),

{# What was before the latest event that is known cannot decide, unless that was lost. #}
deciding_events as (

    select
        events.user_id,
        events.first_name,
        events.last_name,
        events.gender,
        events.level,
        events.start_time,
        events.session_id,
        events.item_in_session,
        events.loaded_at

    from events
    inner join changed_users on events.user_id = changed_users.user_id
    left join known_users on events.user_id = known_users.user_id

    where
        known_users.user_id is null
        or events.start_time >= known_users.last_seen_at
        or changed_users.has_lost_events = 1

),

{% endif %}

{# A level changes over time: the latest event decides, and ties follow the session. #}
ranked_events as (

    select
        user_id,
        first_name,
        last_name,
        gender,
        level,
        start_time as last_seen_at,
        loaded_at,
        row_number() over (
            partition by user_id
            order by start_time desc, session_id desc, item_in_session desc
        ) as recency

    from {{ 'deciding_events' if is_incremental() else 'events' }}

    where user_id is not null

),

users as (

    select
        user_id,
        first_name,
        last_name,
        gender,
        level,
        last_seen_at,
        loaded_at

    from ranked_events

    where recency = 1

)

select * from users
