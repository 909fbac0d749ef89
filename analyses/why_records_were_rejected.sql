{# Why were records rejected? Rejected records are in quarantine, not in the models. #}

with

rejected_records as (select * from {{ source('raw', 'rejected_records') }})

select
    table_name,
    reason,
    count(*) as record_count,
    count(distinct path) as file_count

from rejected_records

group by table_name, reason

order by
    record_count desc,
    {{ by_code_point('table_name') }} asc,
    {{ by_code_point('reason') }} asc
