{# In which states is music played? A location in several states counts for the first
   one. The state is null if the location contains no known state. #}

with

plays as (select * from {{ ref('plays') }})

select
    state_code,
    state,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours

from plays

group by state_code, state

order by
    play_count desc,
    {{ by_code_point('state_code') }} asc nulls last
