-- The events of the star by hand, read from the JSON as fast as DuckDB can. star.sql
-- follows. The benchmark compares the project with both. `folder` is a variable.
--
-- It has no raw tables and no load history, so it cannot add files later. It has no
-- quarantine: a record that breaks a rule stops it. It has no file names and no gzip, and
-- does not break ties between records that differ only in columns that no table has.

-- Parsed once, with only the columns that the tables need.
create temp table events as
select
    sessionid as session_id,
    iteminsession as item_in_session,
    epoch_ms(ts) as start_time,
    cast(nullif(userid, '') as bigint) as user_id,
    page = 'NextSong' as is_play,
    level,
    firstname as first_name,
    lastname as last_name,
    gender,
    location,
    useragent as user_agent,
    song as song_title,
    artist as artist_name,
    length as duration_seconds
from read_json(
    getvariable('folder') || '/log_data/**/*.json',
    format = 'newline_delimited',
    columns = {
        sessionId: 'bigint',
        itemInSession: 'integer',
        ts: 'bigint',
        userId: 'varchar',
        page: 'varchar',
        level: 'varchar',
        firstName: 'varchar',
        lastName: 'varchar',
        gender: 'varchar',
        location: 'varchar',
        userAgent: 'varchar',
        song: 'varchar',
        artist: 'varchar',
        length: 'decimal(13, 5)'
    }
);

-- The latest record of an event counts. Finding repeated events first is cheaper than
-- ranking all events: usually none is repeated.
create temp table repeated as
select session_id, item_in_session
from events
group by all
having count(*) > 1;

create temp table winners as
select distinct on (session_id, item_in_session) *
from events semi join repeated using (session_id, item_in_session)
order by
    session_id, item_in_session, start_time desc, artist_name, first_name, gender,
    last_name, duration_seconds, level, location, song_title, user_agent, user_id;

delete from events
using repeated
where
    events.session_id = repeated.session_id
    and events.item_in_session = repeated.item_in_session;

insert into events from winners;
