{# Where is music played most? Places are as the app writes them: City-City, ST-ST. #}

with

songplays as (select * from {{ ref('songplays') }}),

ranked_locations as (

    select
        location,
        count(*) as play_count,
        count(distinct user_id) as listener_count,
        row_number() over (
            order by count(*) desc, {{ by_code_point('location') }} asc nulls last
        ) as place

    from songplays

    group by location

)

select
    location,
    play_count,
    listener_count

from ranked_locations

where place <= 10

order by place asc
