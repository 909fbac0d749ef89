{# Finds the latest event by maxima, without the model's window: the greatest
   start_time, then session, then item. The joins use >= instead of =, because a planner
   may expect so few equal rows that it joins row by row. #}

with

events as (select * from {{ ref('int_events') }}),

{# Imported twice: an engine may materialize a CTE that is read twice. #}
same_events as (select * from {{ ref('int_events') }}),

users as (select * from {{ ref('users') }}),

last_times as (

    select
        user_id,
        max(start_time) as start_time

    from events

    where user_id is not null

    group by user_id

),

last_events as (

    select
        same_events.user_id,
        same_events.session_id,
        same_events.item_in_session,
        same_events.first_name,
        same_events.last_name,
        same_events.gender,
        same_events.level

    from same_events
    inner join last_times
        on
            same_events.user_id = last_times.user_id
            and same_events.start_time >= last_times.start_time

),

last_sessions as (

    select
        user_id,
        max(session_id) as session_id

    from last_events

    group by user_id

),

last_items as (

    select
        last_events.user_id,
        last_events.session_id,
        max(last_events.item_in_session) as item_in_session

    from last_events
    inner join last_sessions
        on
            last_events.user_id = last_sessions.user_id
            and last_events.session_id >= last_sessions.session_id

    group by last_events.user_id, last_events.session_id

)

select
    last_events.user_id,
    last_events.level as latest_level,
    users.level as user_level

from last_events
inner join last_items
    on
        last_events.user_id = last_items.user_id
        and last_events.session_id >= last_items.session_id
        and last_events.item_in_session >= last_items.item_in_session
left join users on last_events.user_id = users.user_id

where
    users.user_id is null
    or coalesce(users.level, '') != coalesce(last_events.level, '')
    or coalesce(users.first_name, '') != coalesce(last_events.first_name, '')
    or coalesce(users.last_name, '') != coalesce(last_events.last_name, '')
    or coalesce(users.gender, '') != coalesce(last_events.gender, '')
