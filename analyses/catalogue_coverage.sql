{# Which share of plays matches a catalogue song? Queries that join through song_id see
   only these plays. #}

with

plays as (select * from {{ ref('plays') }})

select
    count(*) as play_count,
    count(song_id) as matched_play_count,
    {{ rounded_ratio('100 * count(song_id)', 'count(*)') }} as matched_percent

from plays
