{{ config(dist = 'user_id', sort = 'valid_from', unique_key = 'user_id') }}

with

events as (select * from {{ ref('int_events') }}),

{% if is_incremental() %}

event_versions as (select * from {{ ref('int_event_versions') }}),

known_stretches as (select * from {{ this }}),

changed_users as (

    select
        user_id,
        min(start_time) as changed_at

    from event_versions

    where loaded_at > {{ watermark() }} and user_id is not null

    group by user_id

),

{# Where a user's stretches are made anew from: the one that his first change is in, or
   that it ends. Nothing where none is before it: then all of them are. #}
restarts as (

    select
        changed_users.user_id,
        known_stretches.valid_from,
        known_stretches.previous_level

    from changed_users
    left join known_stretches
        on
            changed_users.user_id = known_stretches.user_id
            and changed_users.changed_at > known_stretches.valid_from
            and (
                known_stretches.valid_to is null
                or changed_users.changed_at <= known_stretches.valid_to
            )

),

{% endif %}

ordered_events as (

    select
        events.user_id,
        events.start_time,
        events.session_id,
        events.item_in_session,
        events.level,
        events.loaded_at,
        lead(events.start_time) over (
            partition by events.user_id
            order by events.start_time, events.session_id, events.item_in_session
        ) as next_start_time,
        sum(case when events.page = 'NextSong' then 1 else 0 end) over (
            partition by events.user_id
            order by events.start_time, events.session_id, events.item_in_session
            rows between unbounded preceding and current row
        ) as plays_until_then

    from events
    {% if is_incremental() %}

    inner join restarts on events.user_id = restarts.user_id

    {% endif %}

    where
        events.user_id is not null
    {% if is_incremental() %}

        and (restarts.valid_from is null or events.start_time >= restarts.valid_from)

        {% endif %}

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

{% if is_incremental() %}

continued_stretches as (

    select
        stretches.user_id,
        stretches.session_id,
        stretches.item_in_session,
        stretches.level,
        stretches.valid_from,
        stretches.valid_to,
        stretches.play_count,
        stretches.loaded_at,
        case
            when stretches.valid_from = restarts.valid_from then restarts.previous_level
            else stretches.previous_level
        end as previous_level

    from stretches
    inner join restarts on stretches.user_id = restarts.user_id

),

{% endif %}

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

    from {{ 'continued_stretches' if is_incremental() else 'stretches' }}
    {% if is_incremental() %}

    union all

    select
        known_stretches.user_level_id,
        known_stretches.user_id,
        known_stretches.level,
        known_stretches.previous_level,
        known_stretches.valid_from,
        known_stretches.valid_to,
        known_stretches.is_current,
        known_stretches.is_upgrade,
        known_stretches.is_downgrade,
        known_stretches.play_count,
        known_stretches.loaded_at

    from known_stretches
    inner join restarts
        on
            known_stretches.user_id = restarts.user_id
            and known_stretches.valid_from < restarts.valid_from

    {% endif %}

)

select * from user_level_history
