-- Only parse the JSON, with declared columns: the minimum for a program that reads all
-- data. Every column is part of a sum, so that DuckDB cannot skip it. Lengths of
-- text are the cheapest sum. `folder` is a variable.
select
    count(*) as event_count,
    sum(strlen(artist)) as artist,
    sum(strlen(auth)) as auth,
    sum(strlen(firstname)) as first_name,
    sum(strlen(gender)) as gender,
    sum(iteminsession) as item_in_session,
    sum(strlen(lastname)) as last_name,
    sum(length) as length,
    sum(strlen(level)) as level,
    sum(strlen(location)) as location,
    sum(strlen(method)) as method,
    sum(strlen(page)) as page,
    sum(registration) as registration,
    sum(sessionid) as session_id,
    sum(strlen(song)) as song,
    sum(status) as status,
    sum(ts) as ts,
    sum(strlen(useragent)) as user_agent,
    sum(strlen(userid)) as user_id
from read_json(
    getvariable('folder') || '/log_data/**/*.json',
    format = 'newline_delimited',
    columns = {
        artist: 'varchar',
        auth: 'varchar',
        firstName: 'varchar',
        gender: 'varchar',
        itemInSession: 'integer',
        lastName: 'varchar',
        length: 'decimal(13, 5)',
        level: 'varchar',
        location: 'varchar',
        method: 'varchar',
        page: 'varchar',
        registration: 'double',
        sessionId: 'bigint',
        song: 'varchar',
        status: 'integer',
        ts: 'bigint',
        userAgent: 'varchar',
        userId: 'varchar'
    }
);

select
    count(*) as song_count,
    sum(num_songs) as num_songs,
    sum(strlen(artist_id)) as artist_id,
    sum(artist_latitude) as artist_latitude,
    sum(artist_longitude) as artist_longitude,
    sum(strlen(artist_location)) as artist_location,
    sum(strlen(artist_name)) as artist_name,
    sum(strlen(song_id)) as song_id,
    sum(strlen(title)) as title,
    sum(duration) as duration,
    sum(year) as year
from read_json(
    getvariable('folder') || '/song_data/**/*.json',
    format = 'newline_delimited',
    columns = {
        num_songs: 'integer',
        artist_id: 'varchar',
        artist_latitude: 'double',
        artist_longitude: 'double',
        artist_location: 'varchar',
        artist_name: 'varchar',
        song_id: 'varchar',
        title: 'varchar',
        duration: 'decimal(13, 5)',
        year: 'integer'
    }
);
