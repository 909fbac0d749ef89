-- The events of the star by hand, straight from the JSON, as fast as DuckDB can: what the
-- project is compared with, with star.sql after it. `folder` is a variable: the data's.
--
-- It leaves out what the project does beside: raw tables and their history (so it can
-- load no second time, and add nothing), the quarantine (a record that breaks a rule
-- stops it), file names, gzip, and the last ties between records that differ only in
-- columns that are in none of the five tables.

-- Parsed once, with declared columns; no column that no table needs.
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

-- Of an event that was delivered again the latest record holds. To look for such first
-- is cheaper than to rank all: as a rule there are none.
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
