{# How much do free and paid listeners play? The level is the one at the play. #}

with

songplays as (select * from {{ ref('songplays') }}),

plays_per_level as (

    select
        level,
        count(*) as play_count,
        count(distinct user_id) as listener_count

    from songplays

    group by level

),

all_plays as (select count(*) as play_count from songplays)

select
    plays_per_level.level,
    plays_per_level.play_count,
    plays_per_level.listener_count,
    {{ rounded_ratio('100 * plays_per_level.play_count', 'all_plays.play_count') }}
        as play_percent

from plays_per_level
cross join all_plays

order by
    plays_per_level.play_count desc,
    {{ by_code_point('plays_per_level.level') }} asc nulls last
