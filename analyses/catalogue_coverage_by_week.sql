{# How does the share of plays that match the catalogue develop from week to week? Weeks
   begin on Monday, in UTC. A week without plays has no row. #}

with

plays as (select * from {{ ref('plays') }}),

weekly_plays as (

    select
        song_id,
        cast({{ dbt.date_trunc('week', 'start_time') }} as date) as week_start_date

    from plays

)

select
    week_start_date,
    count(*) as play_count,
    count(song_id) as matched_play_count,
    {{ rounded_ratio('100 * count(song_id)', 'count(*)') }} as matched_percent

from weekly_plays

group by week_start_date

order by week_start_date asc
