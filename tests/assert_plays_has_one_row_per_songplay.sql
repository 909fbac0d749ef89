{# The view joins the user and the state of a play, and must not multiply rows. #}

with

songplays as (select * from {{ rows_of_untested_sessions(ref('songplays')) }}),

plays as (select * from {{ rows_of_untested_sessions(ref('plays')) }}),

counted_songplays as (

    select
        session_id,
        count(*) as songplay_count

    from songplays

    group by session_id

),

counted_plays as (

    select
        session_id,
        count(*) as play_count

    from plays

    group by session_id

)

select
    counted_songplays.session_id,
    counted_songplays.songplay_count,
    counted_plays.play_count

from counted_songplays
left join counted_plays on counted_songplays.session_id = counted_plays.session_id

where
    counted_plays.session_id is null
    or counted_songplays.songplay_count != counted_plays.play_count
