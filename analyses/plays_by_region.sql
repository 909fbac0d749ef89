{# In which regions of the country is music played? Regions are census regions. The
   region is null if the location contains no known state. #}

with

plays as (select * from {{ ref('plays') }})

select
    census_region,
    count(*) as play_count,
    count(distinct user_id) as listener_count,
    {{ rounded_ratio('sum(duration_seconds)', '3600') }} as listening_hours,
    {{ rounded_ratio('100 * count(*)', 'sum(count(*)) over ()') }} as play_percent

from plays

group by census_region

order by
    play_count desc,
    {{ by_code_point('census_region') }} asc nulls last
