-- The five tables of the star by hand, straight from the JSON, as fast as DuckDB can:
-- what the project is compared with. On generated data its rows are the project's, which
-- benchmarks/same_rows.py checks. `folder` is a variable: the data's folder.
--
-- It leaves out what the project does beside: raw tables and their history (so it can
-- load no second time, and add nothing), the quarantine (a record that breaks a rule
-- stops it), file names, gzip, all tests, and the last ties between records that differ
-- only in columns that are in none of the five tables.

-- Text repaired and trimmed (docs/decisions/0002). Nearly all text needs neither, which
-- its two ends and one letter tell. In the form of an address every byte has its own
-- sign, so that replacing never meets halves of two bytes.
create temp macro slowly_cleaned(text) as coalesce(
    case
        when
            contains(text, 'Ã')
            and regexp_full_match(
                url_encode(text),
                '([^%]|%[0-7].|%C3%8[23]%C2%..)*'
            )
            then
                try(
                    url_decode(
                        replace(
                            replace(
                                replace(
                                    replace(
                                        replace(
                                            url_encode(text), '%C3%83%C2%8', '%C'
                                        ),
                                        '%C3%83%C2%9', '%D'
                                    ),
                                    '%C3%83%C2%A', '%E'
                                ),
                                '%C3%83%C2%B', '%F'
                            ),
                            '%C3%82%C2', ''
                        )
                    )
                )
    end,
    nullif(trim(text, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)), '')
);

create temp macro cleaned(text) as case
    when text[1] > ' ' and text[-1] > ' ' and not contains(text, 'Ã') then text
    else slowly_cleaned(text)
end;

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

create temp table catalogue as
select
    cleaned(song_id) as song_id,
    cleaned(title) as title,
    cleaned(artist_id) as artist_id,
    cleaned(artist_name) as artist_name,
    cleaned(artist_location) as artist_location,
    artist_latitude,
    artist_longitude,
    nullif(year, 0) as year,
    duration
from read_json(
    getvariable('folder') || '/song_data/**/*.json',
    format = 'newline_delimited',
    columns = {
        song_id: 'varchar',
        title: 'varchar',
        artist_id: 'varchar',
        artist_name: 'varchar',
        artist_location: 'varchar',
        artist_latitude: 'double',
        artist_longitude: 'double',
        year: 'integer',
        duration: 'decimal(13, 5)'
    }
);

create table songs as
select distinct on (song_id) song_id, title, artist_id, year, duration
from catalogue
order by
    song_id, year desc nulls last, title asc nulls last, artist_id asc,
    duration asc nulls last;

create table artists as
select
    artist_id,
    artist_name as name,
    artist_location as location,
    artist_latitude as latitude,
    artist_longitude as longitude
from
    (
        select
            *,
            count(*) over (partition by artist_id, artist_name) as name_frequency
        from (select distinct * from catalogue)
    )
qualify
    row_number() over (
        partition by artist_id
        order by
            artist_name is null, name_frequency desc, length(artist_name), artist_name,
            artist_location is null,
            artist_latitude is null or artist_longitude is null,
            song_id, artist_location nulls last, artist_latitude nulls last,
            artist_longitude nulls last
    ) = 1;

create table users as
select
    user_id,
    cleaned(latest.first_name) as first_name,
    cleaned(latest.last_name) as last_name,
    cleaned(latest.gender) as gender,
    cleaned(latest.level) as level,
    latest.start_time as last_seen_at
from
    (
        select
            user_id,
            arg_max(
                {
                    'first_name': first_name,
                    'last_name': last_name,
                    'gender': gender,
                    'level': level,
                    'start_time': start_time
                },
                (start_time, session_id, item_in_session)
            ) as latest
        from events
        where user_id is not null
        group by user_id
    );

-- The songs that are heard are few: each is cleaned once and looked up once, and only
-- what has several candidates is weighed for every play.
create temp table candidates as
select
    heard.song_title,
    heard.artist_name,
    list((catalogue.duration, catalogue.song_id, catalogue.artist_id)) as found
from
    (
        select distinct song_title, artist_name
        from events
        where is_play
    ) as heard
inner join catalogue
    on
        cleaned(heard.song_title) = catalogue.title
        and cleaned(heard.artist_name) = catalogue.artist_name
group by all;

create table songplays as
select
    md5(session_id || '-' || item_in_session) as songplay_id,
    start_time,
    user_id,
    cleaned(level) as level,
    nearest[2] as song_id,
    nearest[3] as artist_id,
    session_id,
    cleaned(location) as location,
    cleaned(user_agent) as user_agent,
    item_in_session,
    cleaned(song_title) as song_title,
    cleaned(artist_name) as artist_name,
    duration_seconds
from
    (
        select
            events.*,
            case
                when len(found) = 1 then found[1]
                when len(found) > 1
                    then
                        list_min(
                            list_transform(
                                found,
                                lambda song:
                                    (abs(song[1] - duration_seconds), song[2], song[3])
                            )
                        )
            end as nearest
        from events
        left join candidates using (song_title, artist_name)
        where is_play
    );

create table time as
select
    start_time,
    cast(hour(start_time) as integer) as hour,
    cast(day(start_time) as integer) as day,
    cast(week(start_time) as integer) as week,
    cast(month(start_time) as integer) as month,
    cast(year(start_time) as integer) as year,
    cast(isodow(start_time) as integer) as weekday
from (select distinct start_time from songplays);
