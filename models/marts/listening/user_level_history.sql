{{ config(dist = 'user_id', sort = 'valid_from', unique_key = 'user_id') }}

with

events as (select * from {{ ref('int_events') }}),

{% if is_incremental() %}

event_versions as (select * from {{ ref('int_event_versions') }}),

earlier_events as (select * from {{ ref('int_events') }}),

known_stretches as (select * from {{ this }}),

changed_users as (

    select
        user_id,
        min(start_time) as changed_at

    from event_versions

    where loaded_at > {{ watermark() }} and user_id is not null

    group by user_id

),

{# The stretch that a user's first change is in, or that it ends: it goes on from there
   with the plays that it has until then. Stretches are long, so these are counted where
   they lie, and what is put in order begins with the change. #}
interrupted_stretches as (

    select
        changed_users.changed_at,
        known_stretches.user_id,
        known_stretches.level,
        known_stretches.valid_from,
        known_stretches.loaded_at

    from changed_users
    inner join known_stretches
        on
            changed_users.user_id = known_stretches.user_id
            and changed_users.changed_at > known_stretches.valid_from
            and (
                known_stretches.valid_to is null
                or changed_users.changed_at <= known_stretches.valid_to
            )

),

plays_until_the_change as (

    select
        interrupted_stretches.user_id,
        count(*) as play_count

    from earlier_events
    inner join interrupted_stretches
        on
            earlier_events.user_id = interrupted_stretches.user_id
            and earlier_events.start_time >= interrupted_stretches.valid_from
            and earlier_events.start_time < interrupted_stretches.changed_at

    where earlier_events.page = 'NextSong'

    group by interrupted_stretches.user_id

),

{% endif %}

counted_events as (

    select
        events.user_id,
        events.start_time,
        events.session_id,
        events.item_in_session,
        events.level,
        events.loaded_at,
        case when events.page = 'NextSong' then 1 else 0 end as play_count

    from events
    {% if is_incremental() %}

    inner join changed_users
        on
            events.user_id = changed_users.user_id
            and events.start_time >= changed_users.changed_at

    {% endif %}

    where events.user_id is not null
    {% if is_incremental() %}

    union all

    select
        interrupted_stretches.user_id,
        interrupted_stretches.valid_from as start_time,
        cast(null as bigint) as session_id,
        cast(null as integer) as item_in_session,
        interrupted_stretches.level,
        interrupted_stretches.loaded_at,
        coalesce(plays_until_the_change.play_count, 0) as play_count

    from interrupted_stretches
    left join plays_until_the_change
        on interrupted_stretches.user_id = plays_until_the_change.user_id

    {% endif %}

),

ordered_events as (

    select
        user_id,
        start_time,
        session_id,
        item_in_session,
        level,
        loaded_at,
        lead(start_time) over (
            partition by user_id
            order by start_time, session_id, item_in_session
        ) as next_start_time,
        sum(play_count) over (
            partition by user_id
            order by start_time, session_id, item_in_session
            rows between unbounded preceding and current row
        ) as plays_until_then

    from counted_events

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
        loaded_at,
        lag(level) over (partition by user_id order by start_time) as previous_level,
        lag(start_time) over (partition by user_id order by start_time)
            as previous_start_time,
        lag(plays_until_then) over (partition by user_id order by start_time)
            as plays_before,
        last_value(plays_until_then) over (
            partition by user_id
            order by start_time
            rows between unbounded preceding and unbounded following
        ) as play_count

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
    {% if is_incremental() %}

    where session_id is not null

    union all

    select
        known_stretches.user_level_id,
        known_stretches.user_id,
        known_stretches.level,
        known_stretches.previous_level,
        known_stretches.valid_from,
        case
            when stretches.user_id is null then known_stretches.valid_to
            else stretches.valid_to
        end as valid_to,
        stretches.user_id is not null and stretches.valid_to is null as is_current,
        known_stretches.is_upgrade,
        known_stretches.is_downgrade,
        cast(
            coalesce(stretches.play_count, known_stretches.play_count) as bigint
        ) as play_count,
        known_stretches.loaded_at

    from known_stretches
    inner join interrupted_stretches
        on
            known_stretches.user_id = interrupted_stretches.user_id
            and known_stretches.valid_from <= interrupted_stretches.valid_from
    left join stretches
        on
            known_stretches.user_id = stretches.user_id
            and known_stretches.valid_from = stretches.valid_from

    {% endif %}

)

select * from user_level_history
