{{ config(dist = 'user_id', sort = 'valid_from') }}

with

user_days as (select * from {{ ref('int_user_days') }}),

ordered_days as (

    select
        user_id,
        level,
        first_seen_at,
        first_session_id,
        first_item_in_session,
        play_count,
        loaded_at,
        lag(first_seen_at) over (partition by user_id order by first_seen_at)
            as previous_first_seen_at,
        lag(level) over (partition by user_id order by first_seen_at) as previous_level

    from user_days

),

{# A null level counts as a separate level. Cleaned text is never empty. #}
compared_days as (

    select
        user_id,
        level,
        previous_level,
        first_seen_at,
        first_session_id,
        first_item_in_session,
        play_count,
        loaded_at,
        case
            when
                previous_first_seen_at is null
                or coalesce(level, '') != coalesce(previous_level, '')
                then 1
            else 0
        end as begins_period

    from ordered_days

),

numbered_days as (

    select
        user_id,
        level,
        previous_level,
        first_seen_at,
        first_session_id,
        first_item_in_session,
        play_count,
        loaded_at,
        begins_period,
        sum(begins_period) over (
            partition by user_id
            order by first_seen_at
            rows between unbounded preceding and current row
        ) as period_number

    from compared_days

),

periods as (

    select
        user_id,
        max(level) as level,
        max(case when begins_period = 1 then previous_level end) as previous_level,
        max(case when begins_period = 1 then first_session_id end) as session_id,
        max(case when begins_period = 1 then first_item_in_session end)
            as item_in_session,
        min(first_seen_at) as valid_from,
        sum(play_count) as play_count,
        max(loaded_at) as loaded_at

    from numbered_days

    group by user_id, period_number

),

bounded_periods as (

    select
        user_id,
        level,
        previous_level,
        session_id,
        item_in_session,
        valid_from,
        play_count,
        loaded_at,
        lead(valid_from) over (partition by user_id order by valid_from) as valid_to

    from periods

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

    from bounded_periods

)

select * from user_level_history
