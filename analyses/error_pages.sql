{# Which pages of the app are opened, and how often is the response an error? An error
   is an HTTP status of 400 or more. #}

with

events as (select * from {{ ref('int_events') }})

select
    page,
    count(*) as event_count,
    count(distinct user_id) as user_count,
    count(case when status >= 400 then 1 end) as error_count,
    {{ rounded_ratio('100 * count(case when status >= 400 then 1 end)', 'count(*)') }}
        as error_percent

from events

group by page

order by
    error_count desc,
    event_count desc,
    {{ by_code_point('page') }} asc nulls last
