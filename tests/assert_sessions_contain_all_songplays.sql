{# Compared by session, so that differences cannot cancel out. #}

with

songplays as (select * from {{ ref('songplays') }}),

sessions as (select * from {{ ref('sessions') }}),

plays_per_session as (

    select
        session_id,
        count(*) as play_count,
        sum(case when song_id is not null then 1 else 0 end) as matched_play_count,
        sum(coalesce(duration_seconds, 0)) as listening_seconds

    from songplays

    group by session_id

)

select
    sessions.session_id,
    plays_per_session.session_id as session_id_of_plays,
    sessions.play_count,
    plays_per_session.play_count as songplay_count

from sessions
full outer join plays_per_session on sessions.session_id = plays_per_session.session_id

where
    sessions.session_id is null
    or sessions.play_count != coalesce(plays_per_session.play_count, 0)
    or sessions.matched_play_count != coalesce(plays_per_session.matched_play_count, 0)
    or sessions.listening_seconds != coalesce(plays_per_session.listening_seconds, 0)
