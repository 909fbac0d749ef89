-- The same by hand, with the data that the project keeps: every raw record with its
-- file, after a check of each line, and every cleaned event for later incremental runs.
-- The time above that of events.sql is the cost of the design. The variable
-- `plain_event` is the pattern of a line that all parsers read in the same way.

create table raw_events as
select
    record.artist,
    record.auth,
    record.firstname,
    record.gender,
    record.iteminsession,
    record.lastname,
    record.length,
    record.level,
    record.location,
    record.method,
    record.page,
    record.registration,
    record.sessionid,
    record.song,
    record.status,
    record.ts,
    record.useragent,
    record.userid,
    source_path,
    localtimestamp as loaded_at
from
    (
        select
            filename as source_path,
            case
                when regexp_matches(json, getvariable('plain_event'))
                    then
                        from_json_strict(
                            json,
                            '{
                                "artist": "varchar",
                                "auth": "varchar",
                                "firstName": "varchar",
                                "gender": "varchar",
                                "itemInSession": "integer",
                                "lastName": "varchar",
                                "length": "decimal(15, 8)",
                                "level": "varchar",
                                "location": "varchar",
                                "method": "varchar",
                                "page": "varchar",
                                "registration": "double",
                                "sessionId": "bigint",
                                "song": "varchar",
                                "status": "integer",
                                "ts": "bigint",
                                "userAgent": "varchar",
                                "userId": "varchar"
                            }'
                        )
                else error('A line is not plain.')
            end as record
        from
            read_json_objects(
                getvariable('folder') || '/log_data/**/*.json',
                format = 'newline_delimited',
                filename = true
            )
    );

create temp view cleaned_events as
select
    sessionid as session_id,
    iteminsession as item_in_session,
    epoch_ms(ts) as start_time,
    cast(nullif(userid, '') as bigint) as user_id,
    cleaned(page) as page,
    cleaned(auth) as auth,
    cleaned(method) as method,
    status,
    cleaned(level) as level,
    cleaned(firstname) as first_name,
    cleaned(lastname) as last_name,
    cleaned(gender) as gender,
    cleaned(location) as location,
    cleaned(useragent) as user_agent,
    epoch_ms(cast(registration as bigint)) as registered_at,
    cleaned(song) as song_title,
    cleaned(artist) as artist_name,
    cast(length as decimal(13, 5)) as duration_seconds,
    loaded_at
from raw_events;

create temp table repeated as
select
    sessionid as session_id,
    iteminsession as item_in_session
from raw_events
group by all
having count(*) > 1;

create table event_versions as
select * from cleaned_events anti join repeated using (session_id, item_in_session);

insert into event_versions
select distinct on (session_id, item_in_session) *
from cleaned_events semi join repeated using (session_id, item_in_session)
order by
    session_id, item_in_session, start_time desc, artist_name, first_name, gender,
    last_name, duration_seconds, level, location, song_title, user_agent, user_id;

-- The input of star.sql, already cleaned.
create temp view events as
select
    *,
    page = 'NextSong' as is_play
from event_versions;

create or replace temp macro cleaned(text) as text;
