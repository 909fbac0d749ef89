{{ config(
    dist = 'all',
    sort = 'user_id',
    unique_key = 'user_id',
    materialized = 'incremental'
) }}

with

user_days as (select * from {{ affected(ref('int_user_days')) }}),

{# A level changes over time: the latest event decides every attribute. #}
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
