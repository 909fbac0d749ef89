{# Which songs does one user play again and again? Songs are counted by title and artist
   name in the log. Plays without a user are left out. #}

with

plays as (select * from {{ ref('plays') }}),

users as (select * from {{ ref('users') }}),

ranked_songs as (

    select
        user_id,
        song_title,
        artist_name,
        count(*) as play_count,
        count(distinct play_date) as day_count,
        row_number() over (
            order by
                count(*) desc,
                user_id asc,
                {{ by_code_point('song_title') }} asc nulls last,
                {{ by_code_point('artist_name') }} asc nulls last
        ) as place

    from plays

    where user_id is not null

    group by user_id, song_title, artist_name

    having count(*) > 1

)

select
    ranked_songs.user_id,
    users.first_name,
    users.last_name,
    ranked_songs.song_title,
    ranked_songs.artist_name,
    ranked_songs.play_count,
    ranked_songs.day_count

from ranked_songs
inner join users on ranked_songs.user_id = users.user_id

where ranked_songs.place <= 10

order by ranked_songs.place asc
