-- The five tables of the star by hand, from `events`, without tests. On generated data
-- they have the same rows as the project's tables (checked by benchmarks/same_rows.py).

create temp table catalogue as
select
    slowly_cleaned(song_id) as song_id,
    slowly_cleaned(title) as title,
    slowly_cleaned(artist_id) as artist_id,
    slowly_cleaned(artist_name) as artist_name,
    slowly_cleaned(artist_location) as artist_location,
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

-- Few songs are played: each title is cleaned and looked up once. Only titles with
-- several candidates are compared for every play.
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
