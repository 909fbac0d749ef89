{# Compares songplays with the raw table, without the models between them. If records of
   NextSong and another page have the same key and `ts`, both results pass: a unit test
   checks that rule. #}

with

events as (

    select *

    from {{ rows_of_untested_sessions(source('raw', 'staging_events'), 'sessionid') }}

),

songplays as (select * from {{ rows_of_untested_sessions(ref('songplays')) }}),

keys as (

    select
        sessionid as session_id,
        iteminsession as item_in_session,
        max(case when {{ trim_white_space('page') }} = 'NextSong' then ts else -1 end)
            as played,
        max(case when {{ trim_white_space('page') }} = 'NextSong' then -1 else ts end)
            as other

    from events

    group by sessionid, iteminsession

),

plays_per_key as (

    select
        session_id,
        item_in_session,
        count(*) as play_count

    from songplays

    group by session_id, item_in_session

)

select
    coalesce(keys.session_id, plays_per_key.session_id) as session_id,
    coalesce(keys.item_in_session, plays_per_key.item_in_session) as item_in_session,
    coalesce(plays_per_key.play_count, 0) as play_count

from keys
full outer join plays_per_key
    on
        keys.session_id = plays_per_key.session_id
        and keys.item_in_session = plays_per_key.item_in_session

where
    case
        when keys.played > keys.other then coalesce(plays_per_key.play_count, 0) != 1
        when keys.played = keys.other then coalesce(plays_per_key.play_count, 0) > 1
        else coalesce(plays_per_key.play_count, 0) > 0
    end
