{# Which share of plays does the catalogue know? An answer through song_id alone sees no
   more than that. #}

with

plays as (select * from {{ ref('plays') }})

select
    count(*) as play_count,
    count(song_id) as matched_play_count,
    {{ rounded_ratio('100 * count(song_id)', 'count(*)') }} as matched_percent

from plays
