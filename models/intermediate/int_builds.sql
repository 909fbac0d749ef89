{{ config(
    sort = 'built_at',
    materialized = 'incremental',
    incremental_strategy = 'append'
) }}

with

history as (select * from {{ source('raw', 'load_history') }}),

{# Raw rows are only added, until a file comes in a new version or all are dropped. #}
int_builds as (

    select
        cast('raw' as varchar(63)) as model_name,
        coalesce(
            max(case when is_new_version then loaded_at end),
            min(loaded_at)
        ) as generation,
        cast(null as varchar(32)) as code,
        cast(null as varchar(32)) as inputs,
        max(loaded_at) as built_through,
        cast('{{ this_run() }}' as timestamp) as built_at

    from history

)

select * from int_builds
