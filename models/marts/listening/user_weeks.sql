{{ config(materialized = 'view', bind = false) }}

with

songplays as (select * from {{ ref('songplays') }}),

periods as (select * from {{ ref('user_level_history') }}),

days as (select * from {{ ref('days') }}),

play_weeks as (

    select
        user_id,
        cast({{ dbt.date_trunc('week', 'start_time') }} as date) as week_start_date,
        count(*) as play_count,
        cast(coalesce(sum(duration_seconds), 0) as numeric(18, 5)) as listening_seconds

    from songplays

    where user_id is not null

    group by user_id, cast({{ dbt.date_trunc('week', 'start_time') }} as date)

),

first_play_weeks as (

    select
        user_id,
        min(week_start_date) as first_play_week

    from play_weeks

    group by user_id

),

first_weeks as (

    select
        user_id,
        cast({{ dbt.date_trunc('week', 'min(valid_from)') }} as date) as week_start_date

    from periods

    group by user_id

),

last_week as (

    select max(play_weeks.week_start_date) as week_start_date

    from play_weeks
    inner join days on play_weeks.week_start_date = days.date_day

),

{# Weeks without plays have a row, to count lost users. The limit of two years prevents
   thousands of weeks after one event with a wrong time. #}
weeks_of_users as (

    select
        first_weeks.user_id,
        days.date_day as week_start_date

    from first_weeks
    cross join last_week
    inner join days
        on
            first_weeks.week_start_date <= days.date_day
            and last_week.week_start_date >= days.date_day
            and last_week.week_start_date <= days.date_day + 728

    where {{ iso_weekday('days.date_day') }} = 1

),

leveled_weeks as (

    select
        weeks_of_users.user_id,
        weeks_of_users.week_start_date,
        periods_at_start.level as level_at_start,
        periods_at_end.level as level_at_end,
        first_play_weeks.first_play_week,
        coalesce(play_weeks.play_count, 0) as play_count,
        coalesce(play_weeks.listening_seconds, cast(0 as numeric(18, 5)))
            as listening_seconds,
        play_weeks_before.user_id is not null as had_plays_before

    from weeks_of_users
    left join first_play_weeks on weeks_of_users.user_id = first_play_weeks.user_id
    left join play_weeks as play_weeks_before
        on
            weeks_of_users.user_id = play_weeks_before.user_id
            and weeks_of_users.week_start_date = play_weeks_before.week_start_date + 7
    left join play_weeks
        on
            weeks_of_users.user_id = play_weeks.user_id
            and weeks_of_users.week_start_date = play_weeks.week_start_date
    left join periods as periods_at_start
        on
            weeks_of_users.user_id = periods_at_start.user_id
            and weeks_of_users.week_start_date > periods_at_start.valid_from
            and (
                weeks_of_users.week_start_date <= periods_at_start.valid_to
                or periods_at_start.valid_to is null
            )
    left join periods as periods_at_end
        on
            weeks_of_users.user_id = periods_at_end.user_id
            and weeks_of_users.week_start_date + 7 > periods_at_end.valid_from
            and (
                weeks_of_users.week_start_date + 7 <= periods_at_end.valid_to
                or periods_at_end.valid_to is null
            )

),

user_weeks as (

    select
        cast(
            {{ dbt_utils.generate_surrogate_key(['user_id', 'week_start_date']) }}
            as varchar(32)
        ) as user_week_id,
        user_id,
        week_start_date,
        level_at_start,
        level_at_end,
        cast(play_count as bigint) as play_count,
        listening_seconds,
        play_count > 0 as has_plays,
        had_plays_before,
        coalesce(week_start_date = first_play_week, false) as is_first_with_plays,
        first_play_week

    from leveled_weeks

)

select * from user_weeks
