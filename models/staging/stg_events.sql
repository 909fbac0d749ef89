with

events as (select * from {{ source('raw', 'staging_events').render() }}),

stg_events as (

    select
        sessionid as session_id,
        iteminsession as item_in_session,
        {{ timestamp_of_milliseconds('ts') }} as start_time,
        {# Logged-out records have an empty user id, which becomes null. #}
        cast({{ clean_text('userid') }} as bigint) as user_id,
        {{ clean_text('page') }} as page,
        {{ clean_text('auth') }} as auth,
        {{ clean_text('method') }} as method,
        status,
        {{ clean_text('level') }} as level,
        {{ clean_text('firstname') }} as first_name,
        {{ clean_text('lastname') }} as last_name,
        {{ clean_text('gender') }} as gender,
        {{ clean_text('location') }} as location,
        {{ clean_text('useragent') }} as user_agent,
        {{ timestamp_of_milliseconds('cast(floor(registration) as bigint)') }}
            as registered_at,
        {{ clean_text('song') }} as song_title,
        {{ clean_text('artist') }} as artist_name,
        {# A cast would round on some engines and truncate on others. #}
        cast(round(length, 5) as numeric(13, 5)) as duration_seconds,
        loaded_at

    from events

)

select * from stg_events
