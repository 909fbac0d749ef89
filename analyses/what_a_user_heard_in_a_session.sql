{# What did user U hear in session S? U and S are the variables user_id and session_id:
   dbt show --select what_a_user_heard_in_a_session --limit -1
   --vars '{user_id: 10, session_id: 182}'
   Without session_id, it answers for the session with the most plays: of the user, or
   of all users if user_id is not set either. #}

with

plays as (select * from {{ ref('plays') }}),

ranked_sessions as (

    select
        user_id,
        session_id,
        row_number() over (
            order by count(*) desc, user_id asc, session_id asc
        ) as place

    from plays

    where
        user_id is not null
    {% for column in ['user_id', 'session_id'] if var(column, none) is not none %}
        and {{ column }} = {{ var(column) | int }}
        {% endfor %}

    group by user_id, session_id

)

select
    plays.user_id,
    plays.session_id,
    plays.item_in_session,
    plays.start_time,
    plays.song_title,
    plays.artist_name,
    plays.duration_seconds

from plays
inner join ranked_sessions
    on
        plays.user_id = ranked_sessions.user_id
        and plays.session_id = ranked_sessions.session_id

where ranked_sessions.place = 1

order by plays.item_in_session asc
