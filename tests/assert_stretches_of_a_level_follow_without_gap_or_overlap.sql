{# Each stretch but a user's first begins where one other of his ends, and with another
   level; and the first where his first event is. #}

with

events as (select * from {{ ref('int_events') }}),

user_level_history as (select * from {{ ref('user_level_history') }}),

first_moments as (

    select
        user_id,
        min(start_time) as first_seen_at

    from events

    where user_id is not null

    group by user_id

),

compared as (

    select
        stretches.user_level_id,
        max(first_moments.first_seen_at) as first_seen_at,
        min(stretches.valid_from) as valid_from,
        min(stretches.valid_to) as valid_to,
        count(earlier.user_level_id) as count_before,
        sum(
            case
                when
                    coalesce(earlier.level, '') != coalesce(stretches.level, '')
                    and coalesce(earlier.level, '')
                    = coalesce(stretches.previous_level, '')
                    then 1
                else 0
            end
        ) as change_count

    from user_level_history as stretches
    left join first_moments on stretches.user_id = first_moments.user_id
    left join user_level_history as earlier
        on
            stretches.user_id = earlier.user_id
            and stretches.valid_from = earlier.valid_to

    group by stretches.user_level_id

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
