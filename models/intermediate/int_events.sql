{{ config(dist = 'session_id', sort = 'start_time') }}

with

events as (select * from {{ ref('stg_events') }}),

{# An event may be delivered again, with other content: the later one is the event, and
   where the time is the same its content decides, never the load. #}
ranked_events as (

    select
        session_id,
        item_in_session,
        start_time,
        user_id,
        page,
        auth,
        method,
        status,
        level,
        first_name,
        last_name,
        gender,
        location,
        user_agent,
        registered_at,
        song_title,
        artist_name,
        duration_seconds,
        loaded_at,
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
                user_id asc nulls last
        ) as precedence

    from events

),

int_events as (

    select
        session_id,
        item_in_session,
        start_time,
        user_id,
        page,
        auth,
        method,
        status,
        level,
        first_name,
        last_name,
        gender,
        location,
        user_agent,
        registered_at,
        song_title,
        artist_name,
        duration_seconds,
        loaded_at

    from ranked_events

    where precedence = 1

)

select * from int_events
