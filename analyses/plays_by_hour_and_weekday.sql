{# At which hour of which weekday do people listen? Hours and days are UTC. An hour
   without plays has no row. #}

{% set weekdays = [
    'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'
] %}

with

plays as (select * from {{ ref('plays') }})

select
    hour,
    {% for weekday in weekdays %}
    count(case when weekday = {{ loop.index }} then 1 end)
        as {{ weekday }}_play_count,
    {% endfor %}
    count(*) as play_count

from plays

group by hour

order by hour asc
