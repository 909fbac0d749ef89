lock "raw"."load_history";

select 1 / case when coalesce(cast(max(loaded_at) as varchar(32)), '') = '2018-11-30 12:00:00.5' then 1 else 0 end as "no_other_load_came_between" from "raw"."load_history";

create temporary table this_load as
select
    cast('0dd6ef813e6e055ab66ffd64cab8f105' as varchar(64)) as load_id,
    greatest(
        sysdate, coalesce(dateadd(microsecond, 1, max(loaded_at)), sysdate)
    ) as loaded_at
from "raw"."load_history";

create temporary table "new_files" (
    "table_name" varchar(64),
    "path" varchar(4096),
    "size_bytes" bigint,
    "version" varchar(256),
    "is_new_version" boolean
);

copy "new_files" ("table_name", "path", "size_bytes", "version", "is_new_version")
from 's3://mine/lists/0dd6ef813e6e055ab66ffd64cab8f105/new_files.json'
iam_role 'arn:aws:iam::123456789012:role/sparkify-copy'
region 'us-west-2'
format as json 'auto'
roundec
compupdate off
statupdate off;

create temporary table "copied_staging_songs" (
    "num_songs" integer,
    "artist_id" varchar(1024) not null,
    "artist_latitude" double precision,
    "artist_longitude" double precision,
    "artist_location" varchar(1024),
    "artist_name" varchar(1024),
    "song_id" varchar(1024) not null,
    "title" varchar(1024),
    "duration" numeric(15, 8),
    "year" integer,
    "source_path" varchar(4096)
);

copy "copied_staging_songs" ("num_songs", "artist_id", "artist_latitude", "artist_longitude", "artist_location", "artist_name", "song_id", "title", "duration", "year")
from 's3://mine/lists/0dd6ef813e6e055ab66ffd64cab8f105/staging_songs.manifest'
iam_role 'arn:aws:iam::123456789012:role/sparkify-copy'
region 'us-west-2'
format as json 'auto'
manifest
roundec
compupdate off
statupdate off;

delete from "raw"."staging_songs"
where source_path is null and loaded_at in ('2018-11-29');

delete from "raw"."rejected_records" where table_name = 'staging_songs' and loaded_at in ('2018-11-29');

delete from "raw"."staging_songs"
where source_path in (
    select path from new_files where table_name = 'staging_songs'
);

delete from "raw"."rejected_records"
using new_files
where rejected_records.table_name = new_files.table_name and rejected_records.path = new_files.path;

delete from "raw"."load_history"
using new_files
where load_history.table_name = new_files.table_name and load_history.path = new_files.path;

insert into "raw"."staging_songs" ("num_songs", "artist_id", "artist_latitude", "artist_longitude", "artist_location", "artist_name", "song_id", "title", "duration", "year", "loaded_at", "source_path")
select "num_songs", "artist_id", "artist_latitude", "artist_longitude", "artist_location", "artist_name", "song_id", "title", "duration", "year", this_load.loaded_at, source_path
from "copied_staging_songs"
cross join this_load
where case
        when btrim("artist_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'artist_id is missing'
        when not "artist_latitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_latitude is out of range'
        when not "artist_longitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_longitude is out of range'
        when btrim("song_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'song_id is missing'
    end is null;

insert into "raw"."rejected_records" ("table_name", "path", "line_number", "reason", "raw_text", "load_id", "loaded_at")
select
    'staging_songs',
    cast(null as varchar(1)),
    cast(null as bigint),
    case
        when btrim("artist_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'artist_id is missing'
        when not "artist_latitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_latitude is out of range'
        when not "artist_longitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_longitude is out of range'
        when btrim("song_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'song_id is missing'
    end,
    coalesce(cast("num_songs" as varchar(1024)), '')
    || ' | ' || coalesce(cast("artist_id" as varchar(1024)), '')
    || ' | ' || coalesce(cast("artist_latitude" as varchar(1024)), '')
    || ' | ' || coalesce(cast("artist_longitude" as varchar(1024)), '')
    || ' | ' || coalesce(cast("artist_location" as varchar(1024)), '')
    || ' | ' || coalesce(cast("artist_name" as varchar(1024)), '')
    || ' | ' || coalesce(cast("song_id" as varchar(1024)), '')
    || ' | ' || coalesce(cast("title" as varchar(1024)), '')
    || ' | ' || coalesce(cast("duration" as varchar(1024)), '')
    || ' | ' || coalesce(cast("year" as varchar(1024)), ''),
    this_load.load_id,
    this_load.loaded_at
from "copied_staging_songs"
cross join this_load
where case
        when btrim("artist_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'artist_id is missing'
        when not "artist_latitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_latitude is out of range'
        when not "artist_longitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_longitude is out of range'
        when btrim("song_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'song_id is missing'
    end is not null;

select 1 / case when count(*) <= 1000 then 1 else 0 end as "few_enough_records_are_refused" from "raw"."rejected_records"
where loaded_at = (select loaded_at from this_load);

insert into "raw"."load_history" ("source", "table_name", "path", "size_bytes", "version", "is_new_version", "loaded_count", "rejected_count", "load_id", "loaded_at")
with
loaded as (
    select cast('staging_songs' as varchar(64)) as table_name, coalesce(source_path, 'song_data/a.json') as path,
        count(*) as record_count
    from "raw"."staging_songs" where loaded_at = (select loaded_at from this_load) group by 2
),
rejected as (
    select cast('staging_songs' as varchar(64)) as table_name, coalesce(path, 'song_data/a.json') as path,
        count(*) as record_count
    from "raw"."rejected_records"
    where loaded_at = (select loaded_at from this_load) and table_name = cast('staging_songs' as varchar(64)) group by 2
)
select
    case new_files.table_name when 'staging_songs' then 's3://udacity-dend/song_data' end,
    new_files.table_name,
    new_files.path,
    new_files.size_bytes,
    new_files.version,
    new_files.is_new_version,
    loaded.record_count,
    coalesce(rejected.record_count, 0),
    this_load.load_id,
    this_load.loaded_at
from new_files
cross join this_load
left join loaded
    on new_files.table_name = loaded.table_name
        and new_files.path = loaded.path
left join rejected
    on new_files.table_name = rejected.table_name
        and new_files.path = rejected.path;

select count(*), coalesce(sum(loaded_count), 0), coalesce(sum(rejected_count), 0)
from "raw"."load_history"
where load_id = '0dd6ef813e6e055ab66ffd64cab8f105';

