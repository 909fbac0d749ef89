{# How long is a session, in plays and in minutes? The length is from the first event to
   the last. The level is the level of the last event; earlier plays may differ. #}

with

sessions as (select * from {{ ref('sessions') }}),

timed_sessions as (

    select
        level as level_at_end,
        play_count,
        {{ seconds_between('started_at', 'ended_at') }} as duration_seconds

    from sessions

)

select
    level_at_end,
    count(*) as session_count,
    cast(sum(play_count) as bigint) as play_count,
    {{ rounded_ratio('sum(play_count)', 'count(*)') }} as plays_per_session,
    cast(max(play_count) as bigint) as most_plays_in_a_session,
    {{ rounded_ratio('sum(duration_seconds)', '60 * count(*)') }} as minutes_per_session

from timed_sessions

group by level_at_end

order by
    session_count desc,
    {{ by_code_point('level_at_end') }} asc nulls last
