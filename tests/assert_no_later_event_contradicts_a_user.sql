{# Another way to the latest event than the model's: the event after which the user has
   none, by the greatest moment and then the greatest session and item. #}

with

events as (

    select *

    from {{ untested(ref('int_events'), 'user_id', ref('int_event_versions')) }}

),

users as (select * from {{ ref('users') }}),

last_moments as (

    select
        user_id,
        max(start_time) as start_time

    from events

    where user_id is not null

    group by user_id

),

last_sessions as (

    select
        events.user_id,
        events.start_time,
        max(events.session_id) as session_id

    from events
    inner join last_moments
        on
            events.user_id = last_moments.user_id
            and events.start_time = last_moments.start_time

    group by events.user_id, events.start_time

),

last_items as (

    select
        events.user_id,
        events.start_time,
        events.session_id,
        max(events.item_in_session) as item_in_session

    from events
    inner join last_sessions
        on
            events.user_id = last_sessions.user_id
            and events.start_time = last_sessions.start_time
            and events.session_id = last_sessions.session_id

    group by events.user_id, events.start_time, events.session_id

)

select
    last_items.user_id,
    events.level as latest_level,
    users.level as user_level

from last_items
inner join events
    on
        last_items.session_id = events.session_id
        and last_items.item_in_session = events.item_in_session
left join users on last_items.user_id = users.user_id

where
    users.user_id is null
    or coalesce(users.level, '') != coalesce(events.level, '')
    or coalesce(users.first_name, '') != coalesce(events.first_name, '')
    or coalesce(users.last_name, '') != coalesce(events.last_name, '')
    or coalesce(users.gender, '') != coalesce(events.gender, '')
