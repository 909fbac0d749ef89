{# On which days of the week is music played? 1 is Monday, 7 is Sunday; days are UTC. #}

with

songplays as (select * from {{ ref('songplays') }}),

time as (select * from {{ ref('time') }})

select
    time.weekday,
    count(*) as play_count,
    count(distinct songplays.user_id) as listener_count

from songplays
inner join time on songplays.start_time = time.start_time

group by time.weekday

order by time.weekday asc
