{# Where is music played most? The app writes locations as City-City, ST-ST. #}

with

plays as (select * from {{ ref('plays') }}),

ranked_locations as (

    select
        location,
        count(*) as play_count,
        count(distinct user_id) as listener_count,
        {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours,
        row_number() over (
            order by count(*) desc, {{ by_code_point('location') }} asc nulls last
        ) as place

    from plays

    group by location

)

select
    location,
    play_count,
    listener_count,
    listening_hours

from ranked_locations

where place <= 10

order by place asc
