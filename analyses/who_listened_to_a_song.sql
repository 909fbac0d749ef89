{# Who listened to song X? X is the variables song_title and artist_name, as the log
   writes them:
   dbt show --select who_listened_to_a_song --limit -1
   --vars '{song_title: "All Hands Against His Own"}'
   Without variables, it answers for the song with the most plays. Plays without a user
   are left out. The level is the current level. Times are UTC. #}

with

plays as (select * from {{ ref('plays') }}),

users as (select * from {{ ref('users') }}),

ranked_songs as (

    select
        song_title,
        artist_name,
        row_number() over (
            order by
                count(*) desc,
                {{ by_code_point('song_title') }} asc,
                {{ by_code_point('artist_name') }} asc
        ) as place

    from plays

    where
        song_title is not null
        and artist_name is not null
    {% for column in ['song_title', 'artist_name'] if var(column, none) %}
        and {{ column }} = {{ text_literal(var(column)) }}
        {% endfor %}

    group by song_title, artist_name

),

listeners as (

    select
        ranked_songs.song_title,
        ranked_songs.artist_name,
        plays.user_id,
        count(*) as play_count,
        max(plays.start_time) as last_played_at

    from plays
    inner join ranked_songs
        on
            plays.song_title = ranked_songs.song_title
            and plays.artist_name = ranked_songs.artist_name

    where
        ranked_songs.place = 1
        and plays.user_id is not null

    group by ranked_songs.song_title, ranked_songs.artist_name, plays.user_id

)

select
    listeners.song_title,
    listeners.artist_name,
    users.user_id,
    users.first_name,
    users.last_name,
    users.level,
    listeners.play_count,
    listeners.last_played_at

from listeners
inner join users on listeners.user_id = users.user_id

order by listeners.play_count desc, users.user_id asc
