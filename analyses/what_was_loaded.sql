{# How many records were loaded, and how many were rejected? A file counts once, in its
   latest version. #}

with

load_history as (select * from {{ source('raw', 'load_history') }})

select
    table_name,
    count(*) as file_count,
    cast(sum(loaded_count) as bigint) as record_count,
    cast(sum(rejected_count) as bigint) as rejected_count,
    {{ rounded_ratio(
        '100 * sum(rejected_count)', 'sum(loaded_count + rejected_count)'
    ) }} as rejected_percent

from load_history

group by table_name

order by {{ by_code_point('table_name') }} asc
