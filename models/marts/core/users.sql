{{ config(
    dist = 'all',
    sort = 'user_id',
    unique_key = 'user_id',
    materialized = 'incremental'
) }}

with

user_days as (select * from {{ affected(ref('int_user_days')) }}),

{# Attributes such as level change over time. The latest event decides all of them. #}
ranked_days as (

    select
        user_id,
        first_name,
        last_name,
        gender,
        level,
        last_seen_at,
        loaded_at,
        row_number() over (
            partition by user_id
            order by last_seen_at desc
        ) as recency

    from user_days

),

users as (

    select
        user_id,
        first_name,
        last_name,
        gender,
        level,
        last_seen_at,
        loaded_at

    from ranked_days

    where recency = 1

)

select * from users
