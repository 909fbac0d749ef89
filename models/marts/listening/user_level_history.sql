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

{# At one moment a user has one level, as in `users` that of the last of its events: so
   no stretch is empty. #}
ranked_events as (

    select
        events.user_id,
        events.start_time,
        events.session_id,
        events.item_in_session,
        events.level,
        events.page,
        events.loaded_at,
        row_number() over (
            partition by events.user_id, events.start_time
            order by events.session_id desc, events.item_in_session desc
        ) as recency

    from events
    {% if is_incremental() %}

    inner join changed_users on events.user_id = changed_users.user_id

    {% endif %}

    where events.user_id is not null

),

moments as (

    select
        user_id,
        start_time,
        max(case when recency = 1 then session_id end) as session_id,
        max(case when recency = 1 then item_in_session end) as item_in_session,
        max(case when recency = 1 then level end) as level,
        sum(case when page = 'NextSong' then 1 else 0 end) as play_count,
        max(loaded_at) as loaded_at

    from ranked_events

    group by user_id, start_time

),

compared_moments as (

    select
        user_id,
        start_time,
        session_id,
        item_in_session,
        level,
        play_count,
        loaded_at,
        row_number() over (partition by user_id order by start_time asc) as place,
        lag(level) over (partition by user_id order by start_time asc) as level_before

    from moments

),

{# A level that no event gives is one of its own; cleaned text is never empty. #}
changes as (

    select
        user_id,
        start_time,
        session_id,
        item_in_session,
        level,
        play_count,
        loaded_at,
        case
            when place = 1 or coalesce(level, '') != coalesce(level_before, '') then 1
            else 0
        end as is_change

    from compared_moments

),

numbered_moments as (

    select
        user_id,
        start_time,
        session_id,
        item_in_session,
        level,
        play_count,
        loaded_at,
        is_change,
        sum(is_change) over (
            partition by user_id
            order by start_time asc
            rows between unbounded preceding and current row
        ) as stretch

    from changes

),

stretches as (

    select
        user_id,
        stretch,
        cast(sum(play_count) as bigint) as play_count,
        max(case when is_change = 1 then session_id end) as session_id,
        max(case when is_change = 1 then item_in_session end) as item_in_session,
        max(level) as level,
        min(start_time) as valid_from,
        max(loaded_at) as loaded_at

    from numbered_moments

    group by user_id, stretch

),

neighbours as (

    select
        user_id,
        session_id,
        item_in_session,
        level,
        valid_from,
        play_count,
        loaded_at,
        lag(level) over (partition by user_id order by stretch asc) as previous_level,
        lead(valid_from) over (partition by user_id order by stretch asc) as valid_to

    from stretches

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
        play_count,
        loaded_at

    from neighbours

)

select * from user_level_history
