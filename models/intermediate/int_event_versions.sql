{{ config(
    dist = 'session_id',
    sort = 'start_time',
    unique_key = 'songplay_id',
    meta = {'is_bounded_by_sort': true}
) }}

{% set said = [
    'start_time', 'user_id', 'page', 'auth', 'method', 'status', 'level', 'first_name',
    'last_name', 'gender', 'location', 'user_agent', 'registered_at', 'song_title',
    'artist_name', 'duration_seconds'
] %}

with

events as (select * from {{ ref('stg_events') }}),

{% if is_incremental() %}

known_versions as (select * from {{ this }}),

arrived_events as (

    select
        session_id,
        item_in_session

    from events

    where loaded_at > {{ watermark() }}

    group by session_id, item_in_session

),

{# What claims to be an event: of those that were delivered again, all that is known. #}
claims as (

    select
        session_id,
        item_in_session,
        {{ said | join(',\n        ') }},
        loaded_at,
        false as is_known,
        false as was_current

    from events

    where loaded_at > {{ watermark() }}

    union all

    select
        known_versions.session_id,
        known_versions.item_in_session,
        known_versions.{{ said | join(',\n        known_versions.') }},
        known_versions.loaded_at,
        true as is_known,
        known_versions.is_current as was_current

    from known_versions
    inner join arrived_events
        on
            known_versions.session_id = arrived_events.session_id
            and known_versions.item_in_session = arrived_events.item_in_session

),

{% endif %}

{% if not is_incremental() %}

{# Imported three times: an engine that keeps what is read more than once would keep all
   that the events say, only to find the few of them that were delivered again. #}
delivered_events as (select * from {{ ref('stg_events') }}),

repeated_events as (select * from {{ ref('stg_events') }}),

contested_events as (

    select
        session_id,
        item_in_session

    from delivered_events

    group by session_id, item_in_session

    having count(*) > 1

),

lone_versions as (

    select
        events.session_id,
        events.item_in_session,
        events.{{ said | join(',\n        events.') }},
        true as is_current,
        events.loaded_at

    from events
    left join contested_events
        on
            events.session_id = contested_events.session_id
            and events.item_in_session = contested_events.item_in_session

    where contested_events.session_id is null

),

claims as (

    select
        repeated_events.session_id,
        repeated_events.item_in_session,
        repeated_events.{{ said | join(',\n        repeated_events.') }},
        repeated_events.loaded_at,
        false as is_known,
        false as was_current

    from repeated_events
    inner join contested_events
        on
            repeated_events.session_id = contested_events.session_id
            and repeated_events.item_in_session = contested_events.item_in_session

),

{% endif %}

{# An event may be delivered again, with other content: the later one is the event, and
   where the time is the same its content decides, never the load. #}
ranked_versions as (

    select
        session_id,
        item_in_session,
        {{ said | join(',\n        ') }},
        loaded_at,
        is_known,
        was_current,
        row_number() over (
            partition by session_id, item_in_session
            order by
                start_time desc,
                {{ by_code_point('artist_name') }} asc nulls last,
                {{ by_code_point('auth') }} asc nulls last,
                {{ by_code_point('first_name') }} asc nulls last,
                {{ by_code_point('gender') }} asc nulls last,
                {{ by_code_point('last_name') }} asc nulls last,
                duration_seconds asc nulls last,
                {{ by_code_point('level') }} asc nulls last,
                {{ by_code_point('location') }} asc nulls last,
                {{ by_code_point('method') }} asc nulls last,
                {{ by_code_point('page') }} asc nulls last,
                registered_at asc nulls last,
                {{ by_code_point('song_title') }} asc nulls last,
                status asc nulls last,
                {{ by_code_point('user_agent') }} asc nulls last,
                user_id asc nulls last,
                loaded_at asc
        ) as precedence

    from claims

),

{# An event that loses its place is kept, as of the load that replaced it: by it, what
   was built from it is found again. #}
versions as (

    select
        session_id,
        item_in_session,
        {{ said | join(',\n        ') }},
        precedence = 1 as is_current,
        case
            when precedence > 1 and was_current
                then
                    max(case when precedence = 1 then loaded_at end) over (
                        partition by session_id, item_in_session
                    )
            else loaded_at
        end as loaded_at

    from ranked_versions

    where precedence = 1 or is_known

    {% if not is_incremental() %}

    union all

    select
        session_id,
        item_in_session,
        {{ said | join(',\n        ') }},
        is_current,
        loaded_at

    from lone_versions

    {% endif %}

),

int_event_versions as (

    select
        {{ dbt_utils.generate_surrogate_key(['session_id', 'item_in_session']) }}
            as songplay_id,
        session_id,
        item_in_session,
        {{ said | join(',\n        ') }},
        is_current,
        loaded_at

    from versions

)

select * from int_event_versions
