with

days as (select * from {{ ref('days') }}),

counted as (

    select
        min(date_day) as first_day,
        max(date_day) as last_day,
        count(distinct date_day) as day_count,
        count(*) as row_count

    from days

)

select
    first_day,
    last_day,
    day_count,
    row_count

from counted

where
    first_day != date '1970-01-01'
    or last_day != date '2243-10-16'
    or day_count != 100000
    or row_count != 100000
