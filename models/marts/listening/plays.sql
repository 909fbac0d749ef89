{{ config(materialized = 'view', bind = false) }}

with

songplays as (select * from {{ ref('songplays') }}),

users as (select * from {{ ref('users') }}),

us_states as (select * from {{ ref('us_states') }}),

{# A location is "City-City, ST-ST": states follow the last comma, and cities may
   contain commas. Date parts are computed as in `time`, which saves a join. #}
located_plays as (

    select
        songplay_id,
        start_time,
        user_id,
        level,
        song_id,
        artist_id,
        session_id,
        location,
        user_agent,
        item_in_session,
        song_title,
        artist_name,
        duration_seconds,
        loaded_at,
        {{ iso_weekday('start_time') }} as weekday,
        case
            when location like '%,%'
                then
                    split_part(
                        location,
                        ',',
                        length(location) - length(replace(location, ',', '')) + 1
                    )
        end as states

    from songplays

),

plays as (

    select
        located_plays.songplay_id,
        located_plays.start_time,
        cast(located_plays.start_time as date) as play_date,
        cast(extract(hour from located_plays.start_time) as integer) as hour,
        cast(extract(day from located_plays.start_time) as integer) as day,
        cast(extract(week from located_plays.start_time) as integer) as week,
        cast(extract(month from located_plays.start_time) as integer) as month,
        cast(extract(year from located_plays.start_time) as integer) as year,
        located_plays.weekday,
        cast(
            case located_plays.weekday
                when 1 then 'Monday'
                when 2 then 'Tuesday'
                when 3 then 'Wednesday'
                when 4 then 'Thursday'
                when 5 then 'Friday'
                when 6 then 'Saturday'
                when 7 then 'Sunday'
            end as varchar(16)
        ) as weekday_name,
        located_plays.user_id,
        users.first_name,
        users.last_name,
        users.gender,
        located_plays.level,
        located_plays.session_id,
        located_plays.item_in_session,
        located_plays.song_title,
        located_plays.artist_name,
        located_plays.duration_seconds,
        located_plays.song_id,
        located_plays.artist_id,
        located_plays.song_id is not null as is_matched,
        located_plays.location,
        cast(
            case
                when located_plays.states is null then located_plays.location
                else
                    nullif(
                        {{ trim_white_space(
                            'substring(located_plays.location, 1,'
                            ~ ' length(located_plays.location)'
                            ~ ' - length(located_plays.states) - 1)'
                        ) }},
                        ''
                    )
            end as varchar(1024)
        ) as city,
        us_states.state_code,
        us_states.state,
        us_states.census_region,
        cast(
            case
                when located_plays.user_agent like '%Windows%' then 'Windows'
                when located_plays.user_agent like '%iPad%' then 'iPad'
                when located_plays.user_agent like '%iPhone%' then 'iPhone'
                when located_plays.user_agent like '%Android%' then 'Android'
                when located_plays.user_agent like '%Macintosh%' then 'Mac'
                when located_plays.user_agent like '%Linux%' then 'Linux'
                when located_plays.user_agent is not null then 'Other'
            end as varchar(16)
        ) as device_family,
        located_plays.loaded_at

    from located_plays
    left join users on located_plays.user_id = users.user_id
    left join us_states
        on
            {{ trim_white_space("split_part(located_plays.states, '-', 1)") }}
            = us_states.state_code

)

select * from plays
