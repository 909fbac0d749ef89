{{ config(dist = 'user_id', sort = 'valid_from', unique_key = 'user_id') }}

with

events as (select * from {{ ref('int_events') }}),

{% if is_incremental() %}

event_versions as (select * from {{ ref('int_event_versions') }}),

changed_users as (

    select user_id

    from event_versions

    where loaded_at > {{ watermark() }} and user_id is not null

    group by user_id

),

{% endif %}

ordered_events as (

    select
        events.user_id,
        events.start_time,
        events.session_id,
        events.item_in_session,
        events.level,
        lead(events.start_time) over (
            partition by events.user_id
            order by events.start_time, events.session_id, events.item_in_session
        ) as next_start_time,
        sum(case when events.page = 'NextSong' then 1 else 0 end) over (
            partition by events.user_id
            order by events.start_time, events.session_id, events.item_in_session
            rows between unbounded preceding and current row
        ) as plays_until_then,
        max(events.loaded_at) over (
            partition by events.user_id
            order by events.start_time, events.session_id, events.item_in_session
            rows between unbounded preceding and current row
        ) as loaded_at

    from events
    {% if is_incremental() %}

    inner join changed_users on events.user_id = changed_users.user_id

    {% endif %}

    where events.user_id is not null

),

{# At one moment a user has one level, as in `users` that of the last of its events: so
   no stretch is empty. #}
moments as (

    select
        user_id,
        start_time,
        session_id,
        item_in_session,
        level,
        lag(level) over (partition by user_id order by start_time) as previous_level,
        lag(start_time) over (partition by user_id order by start_time)
            as previous_start_time,
        lag(plays_until_then) over (partition by user_id order by start_time)
            as plays_before,
        last_value(plays_until_then) over (
            partition by user_id
            order by start_time
            rows between unbounded preceding and unbounded following
        ) as play_count,
        last_value(loaded_at) over (
            partition by user_id
            order by start_time
            rows between unbounded preceding and unbounded following
        ) as loaded_at

    from ordered_events

    where next_start_time is null or next_start_time > start_time

),

{# A level that no event gives is one of its own; cleaned text is never empty. #}
stretches as (

    select
        user_id,
        session_id,
        item_in_session,
        level,
        previous_level,
        loaded_at,
        start_time as valid_from,
        lead(start_time) over (partition by user_id order by start_time) as valid_to,
        coalesce(
            lead(plays_before) over (partition by user_id order by start_time),
            play_count
        ) - coalesce(plays_before, 0) as play_count

    from moments

    where
        previous_start_time is null
        or coalesce(level, '') != coalesce(previous_level, '')

),

user_level_history as (

    select
        {{ dbt_utils.generate_surrogate_key(
            ['user_id', 'session_id', 'item_in_session']
        ) }} as user_level_id,
        user_id,
        level,
        previous_level,
        valid_from,
        valid_to,
        valid_to is null as is_current,
        coalesce(previous_level = 'free' and level = 'paid', false) as is_upgrade,
        coalesce(previous_level = 'paid' and level = 'free', false) as is_downgrade,
        cast(play_count as bigint) as play_count,
        loaded_at

    from stretches

)

select * from user_level_history
