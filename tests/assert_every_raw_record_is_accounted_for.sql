{# The raw tables contain as many records as the loads counted. Every raw record has an
   event, or a song and an artist. Constants are cast, because some engines cannot
   convert an untyped constant outside of its subquery. #}

with

history as (select * from {{ source('raw', 'load_history') }}),

rejected as (select * from {{ source('raw', 'rejected_records') }}),

raw_events as (select * from {{ source('raw', 'staging_events') }}),

raw_songs as (select * from {{ source('raw', 'staging_songs') }}),

untested_raw_events as (

    select *

    from {{ rows_of_untested_sessions(source('raw', 'staging_events'), 'sessionid') }}

),

untested_events as (select * from {{ rows_of_untested_sessions(ref('int_events')) }}),

songs as (select * from {{ ref('songs') }}),

artists as (select * from {{ ref('artists') }}),

counted as (

    select
        table_name,
        sum(loaded_count) as loaded_count,
        sum(rejected_count) as rejected_count

    from history

    group by table_name

),

found as (

    select
        cast('staging_events' as varchar(32)) as table_name,
        count(*) as loaded_count

    from raw_events

    union all

    select
        cast('staging_songs' as varchar(32)) as table_name,
        count(*) as loaded_count

    from raw_songs

),

quarantined as (

    select
        table_name,
        count(*) as rejected_count

    from rejected

    group by table_name

),

uncounted_records as (

    select
        found.table_name as record,
        cast(
            'the raw table does not have the loaded number of records' as varchar(64)
        ) as fault

    from found
    left join counted on found.table_name = counted.table_name
    left join quarantined on found.table_name = quarantined.table_name

    where
        coalesce(counted.loaded_count, 0) != found.loaded_count
        or coalesce(counted.rejected_count, 0)
        != coalesce(quarantined.rejected_count, 0)

),

lost_events as (

    select
        cast(untested_raw_events.sessionid as varchar(32))
        || '-'
        || cast(untested_raw_events.iteminsession as varchar(32)) as record,
        cast('a raw record has no event' as varchar(64)) as fault

    from untested_raw_events
    left join untested_events
        on
            untested_raw_events.sessionid = untested_events.session_id
            and untested_raw_events.iteminsession = untested_events.item_in_session

    where untested_events.session_id is null

),

lost_songs as (

    select
        raw_songs.song_id as record,
        cast('a raw record has no song or no artist' as varchar(64)) as fault

    from raw_songs
    left join songs on {{ clean_text('raw_songs.song_id') }} = songs.song_id
    left join artists on {{ clean_text('raw_songs.artist_id') }} = artists.artist_id

    where songs.song_id is null or artists.artist_id is null

)

select * from uncounted_records

union all

select * from lost_events

union all

select * from lost_songs
