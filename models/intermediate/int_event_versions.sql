{{ config(
    dist = 'session_id',
    sort = 'start_time',
    unique_key = 'songplay_id',
    materialized = 'incremental',
    meta = {'is_bounded_by_sort': true}
) }}

{% set said = [
    'start_time', 'user_id', 'page', 'auth', 'method', 'status', 'level', 'first_name',
    'last_name', 'gender', 'location', 'user_agent', 'registered_at', 'song_title',
    'artist_name', 'duration_seconds'
] %}

with

claims as (select * from {{ arrived_or_known(ref('stg_events')) }}),

{# Three imports, because an engine that materializes a CTE with several references
   would materialize all columns of all events, to find a few repeated ones. #}
counted_claims as (select * from {{ arrived_or_known(ref('stg_events')) }}),

repeated_claims as (select * from {{ arrived_or_known(ref('stg_events')) }}),

repeated_events as (

    select
        session_id,
        item_in_session

    from counted_claims

    group by session_id, item_in_session

    having count(*) > 1

),

{# An event may be delivered again with other content. The latest start_time wins. The
   content decides between equal times, never the load. #}
ranked_versions as (

    select
        repeated_claims.session_id,
        repeated_claims.item_in_session,
        repeated_claims.{{ said | join(',\n        repeated_claims.') }},
        repeated_claims.loaded_at,
        repeated_claims.is_known,
        repeated_claims.was_current,
        row_number() over (
            partition by
                repeated_claims.session_id, repeated_claims.item_in_session
            order by
                repeated_claims.start_time desc,
                {{ by_code_point('repeated_claims.artist_name') }} asc nulls last,
                {{ by_code_point('repeated_claims.auth') }} asc nulls last,
                {{ by_code_point('repeated_claims.first_name') }} asc nulls last,
                {{ by_code_point('repeated_claims.gender') }} asc nulls last,
                {{ by_code_point('repeated_claims.last_name') }} asc nulls last,
                repeated_claims.duration_seconds asc nulls last,
                {{ by_code_point('repeated_claims.level') }} asc nulls last,
                {{ by_code_point('repeated_claims.location') }} asc nulls last,
                {{ by_code_point('repeated_claims.method') }} asc nulls last,
                {{ by_code_point('repeated_claims.page') }} asc nulls last,
                repeated_claims.registered_at asc nulls last,
                {{ by_code_point('repeated_claims.song_title') }} asc nulls last,
                repeated_claims.status asc nulls last,
                {{ by_code_point('repeated_claims.user_agent') }} asc nulls last,
                repeated_claims.user_id asc nulls last,
                repeated_claims.loaded_at asc
        ) as precedence

    from repeated_claims
    inner join repeated_events
        on
            repeated_claims.session_id = repeated_events.session_id
            and repeated_claims.item_in_session = repeated_events.item_in_session

),

{# A superseded version takes the loaded_at of the load that replaced it, so that
   downstream models see the change. #}
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

    union all

    select
        claims.session_id,
        claims.item_in_session,
        claims.{{ said | join(',\n        claims.') }},
        true as is_current,
        claims.loaded_at

    from claims
    left join repeated_events
        on
            claims.session_id = repeated_events.session_id
            and claims.item_in_session = repeated_events.item_in_session

    where repeated_events.session_id is null

),

int_event_versions as (

    select
        {{ dbt_utils.generate_surrogate_key(['session_id', 'item_in_session']) }}
            as songplay_id,
        session_id,
        item_in_session,
        {{ said | join(',\n        ') }},
        cast(start_time as date) as event_date,
        is_current,
        loaded_at

    from versions

)

select * from int_event_versions
