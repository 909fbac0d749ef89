{# How much do women and men listen? Plays of nobody have no gender. #}

with

songplays as (select * from {{ ref('songplays') }}),

users as (select * from {{ ref('users') }}),

plays_per_gender as (

    select
        users.gender,
        count(*) as play_count,
        count(distinct songplays.user_id) as listener_count

    from songplays
    left join users on songplays.user_id = users.user_id

    group by users.gender

),

all_plays as (select count(*) as play_count from songplays)

select
    plays_per_gender.gender,
    plays_per_gender.play_count,
    plays_per_gender.listener_count,
    {{ rounded_ratio('100 * plays_per_gender.play_count', 'all_plays.play_count') }}
        as play_percent

from plays_per_gender
cross join all_plays

order by
    plays_per_gender.play_count desc,
    {{ by_code_point('plays_per_gender.gender') }} asc nulls last
