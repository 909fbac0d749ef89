{# A user's first period begins at the user's first event. Each other period begins
   where another period of the user ends, with another level. #}

with

events as (select * from {{ ref('int_events') }}),

user_level_history as (select * from {{ ref('user_level_history') }}),

first_times as (

    select
        user_id,
        min(start_time) as first_seen_at

    from events

    where user_id is not null

    group by user_id

),

compared as (

    select
        periods.user_level_id,
        max(first_times.first_seen_at) as first_seen_at,
        min(periods.valid_from) as valid_from,
        min(periods.valid_to) as valid_to,
        count(earlier.user_level_id) as count_before,
        sum(
            case
                when
                    coalesce(earlier.level, '') != coalesce(periods.level, '')
                    and coalesce(earlier.level, '')
                    = coalesce(periods.previous_level, '')
                    then 1
                else 0
            end
        ) as change_count

    from user_level_history as periods
    left join first_times on periods.user_id = first_times.user_id
    left join user_level_history as earlier
        on
            periods.user_id = earlier.user_id
            and periods.valid_from = earlier.valid_to

    group by periods.user_level_id

)

select
    user_level_id,
    valid_from,
    valid_to,
    first_seen_at,
    count_before

from compared

where
    valid_from >= valid_to
    or first_seen_at is null
    or valid_from < first_seen_at
    or (valid_from = first_seen_at and count_before != 0)
    or (valid_from > first_seen_at and (count_before != 1 or change_count != 1))
