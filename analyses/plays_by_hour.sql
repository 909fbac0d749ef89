{# At which hours of the day is music played? Hours are UTC. #}

with

songplays as (select * from {{ ref('songplays') }}),

time as (select * from {{ ref('time') }})

select
    time.hour,
    count(*) as play_count,
    count(distinct songplays.user_id) as listener_count

from songplays
inner join time on songplays.start_time = time.start_time

group by time.hour

order by time.hour asc
