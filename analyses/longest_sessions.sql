{# Which sessions have the most plays, and how long did they last? The length is from
   the first event to the last. Times are UTC. #}

with

sessions as (select * from {{ ref('sessions') }}),

ranked_sessions as (

    select
        session_id,
        user_id,
        level as level_at_end,
        started_at,
        play_count,
        {{ seconds_between('started_at', 'ended_at') }} as duration_seconds,
        row_number() over (order by play_count desc, session_id asc) as place

    from sessions

)

select
    session_id,
    user_id,
    level_at_end,
    started_at,
    {{ rounded_ratio('duration_seconds', '60') }} as duration_minutes,
    play_count

from ranked_sessions

where place <= 10

order by place asc
