{{ config(dist = 'start_time', sort = 'start_time', unique_key = 'start_time') }}

with

songplays as (select * from {{ ref('songplays') }}),

{% if is_incremental() %}

event_versions as (select * from {{ ref('int_event_versions') }}),

changed_moments as (

    select start_time

    from event_versions

    where loaded_at > {{ watermark() }}

    group by start_time

),

{% endif %}

moments as (

    select
        songplays.start_time,
        max(songplays.loaded_at) as loaded_at

    from songplays
    {% if is_incremental() %}

    inner join changed_moments on songplays.start_time = changed_moments.start_time

    {% endif %}

    group by songplays.start_time

),

time as (

    select
        start_time,
        cast(extract(hour from start_time) as integer) as hour,
        cast(extract(day from start_time) as integer) as day,
        cast(extract(week from start_time) as integer) as week,
        cast(extract(month from start_time) as integer) as month,
        cast(extract(year from start_time) as integer) as year,
        {{ iso_weekday('start_time') }} as weekday,
        loaded_at

    from moments

)

select * from time
