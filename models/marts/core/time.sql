{{ config(
    dist = 'start_time',
    sort = 'start_time',
    unique_key = 'start_time',
    materialized = 'incremental'
) }}

with

songplays as (select * from {{ affected(ref('songplays')) }}),

moments as (

    select
        start_time,
        max(loaded_at) as loaded_at

    from songplays

    group by start_time

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
