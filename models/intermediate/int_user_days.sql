{{ config(
    dist = 'user_id',
    sort = 'event_date',
    unique_key = 'event_date',
    materialized = 'incremental'
) }}

with

events as (select * from {{ affected(ref('int_events')) }}),

ordered_events as (

    select
        user_id,
        event_date,
        start_time,
        session_id,
        item_in_session,
        first_name,
        last_name,
        gender,
        level,
        loaded_at,
        lead(start_time) over (
            partition by user_id, event_date
            order by start_time, session_id, item_in_session
        ) as next_start_time,
        sum(case when page = 'NextSong' then 1 else 0 end) over (
            partition by user_id, event_date
            order by start_time, session_id, item_in_session
            rows between unbounded preceding and current row
        ) as plays_until_then

    from events

    where user_id is not null

),

{# The last event at a start_time decides the level, so that no period is empty. #}
moments as (

    select
        user_id,
        event_date,
        start_time,
        session_id,
        item_in_session,
        first_name,
        last_name,
        gender,
        level,
        plays_until_then,
        next_start_time,
        lag(plays_until_then) over (
            partition by user_id, event_date
            order by start_time
        ) as plays_before,
        lag(start_time) over (
            partition by user_id, event_date
            order by start_time
        ) as previous_start_time,
        lag(level) over (
            partition by user_id, event_date
            order by start_time
        ) as previous_level,
        lead(level) over (
            partition by user_id, event_date
            order by start_time
        ) as next_level,
        max(loaded_at) over (
            partition by user_id, event_date
            order by start_time
            rows between unbounded preceding and unbounded following
        ) as loaded_at

    from ordered_events

    where next_start_time is null or next_start_time > start_time

),

{# A null level counts as a separate level. Cleaned text is never empty. #}
compared_moments as (

    select
        user_id,
        event_date,
        start_time,
        session_id,
        item_in_session,
        first_name,
        last_name,
        gender,
        level,
        plays_until_then,
        plays_before,
        loaded_at,
        case
            when
                previous_start_time is null
                or coalesce(level, '') != coalesce(previous_level, '')
                then 1
            else 0
        end as begins_run,
        case
            when
                next_start_time is null
                or coalesce(level, '') != coalesce(next_level, '')
                then 1
            else 0
        end as ends_run

    from moments

),

{# Few moments begin or end a run of one level, so few rows are sorted. #}
numbered_moments as (

    select
        user_id,
        event_date,
        start_time,
        session_id,
        item_in_session,
        first_name,
        last_name,
        gender,
        level,
        plays_until_then,
        plays_before,
        loaded_at,
        begins_run,
        ends_run,
        sum(begins_run) over (
            partition by user_id, event_date
            order by start_time
            rows between unbounded preceding and current row
        ) as run_number

    from compared_moments

    where begins_run = 1 or ends_run = 1

),

int_user_days as (

    select
        user_id,
        event_date,
        cast(max(plays_until_then) - min(coalesce(plays_before, 0)) as bigint)
            as play_count,
        max(level) as level,
        min(start_time) as first_seen_at,
        max(case when begins_run = 1 then session_id end) as first_session_id,
        max(case when begins_run = 1 then item_in_session end)
            as first_item_in_session,
        max(start_time) as last_seen_at,
        max(case when ends_run = 1 then first_name end) as first_name,
        max(case when ends_run = 1 then last_name end) as last_name,
        max(case when ends_run = 1 then gender end) as gender,
        max(loaded_at) as loaded_at

    from numbered_moments

    group by
        user_id,
        event_date,
        run_number

)

select * from int_user_days
