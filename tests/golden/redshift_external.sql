create external schema if not exists "raw_external"
from data catalog
database 'sparkify'
iam_role 'arn:aws:iam::123456789012:role/sparkify-copy'
create external database if not exists;

create external table "raw_external"."staging_events" (
    "artist" varchar(1024),
    "auth" varchar(1024),
    "firstname" varchar(1024),
    "gender" varchar(1024),
    "iteminsession" integer,
    "lastname" varchar(1024),
    "length" numeric(15, 8),
    "level" varchar(1024),
    "location" varchar(1024),
    "method" varchar(1024),
    "page" varchar(1024),
    "registration" double precision,
    "sessionid" bigint,
    "song" varchar(1024),
    "status" integer,
    "ts" bigint,
    "useragent" varchar(1024),
    "userid" varchar(1024)
)
row format serde 'org.openx.data.jsonserde.JsonSerDe'
stored as textfile
location 's3://udacity-dend/log_data/';

create or replace view "raw"."staging_events" as
select
    records."artist",
    records."auth",
    records."firstname",
    records."gender",
    records."iteminsession",
    records."lastname",
    records."length",
    records."level",
    records."location",
    records."method",
    records."page",
    records."registration",
    records."sessionid",
    records."song",
    records."status",
    records."ts",
    records."useragent",
    records."userid",
    history.loaded_at,
    history.path as source_path
from "raw_external"."staging_events" as records
inner join "raw"."load_history" as history
    on 'staging_events' = history.table_name
        and records."$path" = 's3://udacity-dend/' || history.path
where case
        when not "registration" between 0 and 253402300799999 then 'registration is out of range'
        when not "ts" between 0 and 253402300799999 then 'ts is out of range'
        when btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) !~ '^(-?[0-9]+)?$' then 'userId is neither empty nor a whole number'
        when length(replace(btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)), '-', '')) > 18 then 'userId is out of range'
    end is null
with no schema binding;

create external table "raw_external"."staging_songs" (
    "num_songs" integer,
    "artist_id" varchar(1024),
    "artist_latitude" double precision,
    "artist_longitude" double precision,
    "artist_location" varchar(1024),
    "artist_name" varchar(1024),
    "song_id" varchar(1024),
    "title" varchar(1024),
    "duration" numeric(15, 8),
    "year" integer
)
row format serde 'org.openx.data.jsonserde.JsonSerDe'
stored as textfile
location 's3://udacity-dend/song_data/';

create or replace view "raw"."staging_songs" as
select
    records."num_songs",
    records."artist_id",
    records."artist_latitude",
    records."artist_longitude",
    records."artist_location",
    records."artist_name",
    records."song_id",
    records."title",
    records."duration",
    records."year",
    history.loaded_at,
    history.path as source_path
from "raw_external"."staging_songs" as records
inner join "raw"."load_history" as history
    on 'staging_songs' = history.table_name
        and records."$path" = 's3://udacity-dend/' || history.path
where case
        when btrim("artist_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'artist_id is missing'
        when not "artist_latitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_latitude is out of range'
        when not "artist_longitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_longitude is out of range'
        when btrim("song_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'song_id is missing'
    end is null
with no schema binding;

grant usage on schema "raw_external" to "analyst";

grant usage on schema "raw" to "analyst";

grant select on all tables in schema "raw" to "analyst";

lock "raw"."load_history";

select 1 / case when coalesce(cast(max(loaded_at) as varchar(32)), '') = '2018-11-30 12:00:00.5' then 1 else 0 end as "no_other_load_came_between" from "raw"."load_history";

create temporary table this_load as
select
    cast('49bfbb0aea94fbece4dc140ce5ea4e69' as varchar(64)) as load_id,
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
from 's3://mine/lists/49bfbb0aea94fbece4dc140ce5ea4e69/new_files.json'
iam_role 'arn:aws:iam::123456789012:role/sparkify-copy'
region 'us-west-2'
format as json 'auto'
roundec
compupdate off
statupdate off;

delete from "raw"."rejected_records"
using new_files
where rejected_records.table_name = new_files.table_name and rejected_records.path = new_files.path;

delete from "raw"."load_history"
using new_files
where load_history.table_name = new_files.table_name and load_history.path = new_files.path;

insert into "raw"."rejected_records" ("table_name", "path", "line_number", "reason", "raw_text", "load_id", "loaded_at")
select
    'staging_events',
    new_files.path,
    cast(null as bigint),
    case
        when not "registration" between 0 and 253402300799999 then 'registration is out of range'
        when not "ts" between 0 and 253402300799999 then 'ts is out of range'
        when btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) !~ '^(-?[0-9]+)?$' then 'userId is neither empty nor a whole number'
        when length(replace(btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)), '-', '')) > 18 then 'userId is out of range'
    end,
    coalesce(cast("artist" as varchar(1024)), '')
    || ' | ' || coalesce(cast("auth" as varchar(1024)), '')
    || ' | ' || coalesce(cast("firstname" as varchar(1024)), '')
    || ' | ' || coalesce(cast("gender" as varchar(1024)), '')
    || ' | ' || coalesce(cast("iteminsession" as varchar(1024)), '')
    || ' | ' || coalesce(cast("lastname" as varchar(1024)), '')
    || ' | ' || coalesce(cast("length" as varchar(1024)), '')
    || ' | ' || coalesce(cast("level" as varchar(1024)), '')
    || ' | ' || coalesce(cast("location" as varchar(1024)), '')
    || ' | ' || coalesce(cast("method" as varchar(1024)), '')
    || ' | ' || coalesce(cast("page" as varchar(1024)), '')
    || ' | ' || coalesce(cast("registration" as varchar(1024)), '')
    || ' | ' || coalesce(cast("sessionid" as varchar(1024)), '')
    || ' | ' || coalesce(cast("song" as varchar(1024)), '')
    || ' | ' || coalesce(cast("status" as varchar(1024)), '')
    || ' | ' || coalesce(cast("ts" as varchar(1024)), '')
    || ' | ' || coalesce(cast("useragent" as varchar(1024)), '')
    || ' | ' || coalesce(cast("userid" as varchar(1024)), ''),
    this_load.load_id,
    this_load.loaded_at
from "raw_external"."staging_events" as records
inner join new_files
    on 'staging_events' = new_files.table_name
        and records."$path" = 's3://udacity-dend/' || new_files.path
cross join this_load
where case
        when not "registration" between 0 and 253402300799999 then 'registration is out of range'
        when not "ts" between 0 and 253402300799999 then 'ts is out of range'
        when btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) !~ '^(-?[0-9]+)?$' then 'userId is neither empty nor a whole number'
        when length(replace(btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)), '-', '')) > 18 then 'userId is out of range'
    end is not null;

insert into "raw"."rejected_records" ("table_name", "path", "line_number", "reason", "raw_text", "load_id", "loaded_at")
select
    'staging_songs',
    new_files.path,
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
from "raw_external"."staging_songs" as records
inner join new_files
    on 'staging_songs' = new_files.table_name
        and records."$path" = 's3://udacity-dend/' || new_files.path
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
counted as (
    select
        new_files.path,
        count(*) as record_count,
        sum(case when case
        when not "registration" between 0 and 253402300799999 then 'registration is out of range'
        when not "ts" between 0 and 253402300799999 then 'ts is out of range'
        when btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) !~ '^(-?[0-9]+)?$' then 'userId is neither empty nor a whole number'
        when length(replace(btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)), '-', '')) > 18 then 'userId is out of range'
    end is null then 0 else 1 end) as refused_count
    from "raw_external"."staging_events" as records
    inner join new_files
        on 'staging_events' = new_files.table_name
        and records."$path" = 's3://udacity-dend/' || new_files.path
    group by new_files.path
)
select
    's3://udacity-dend/log_data',
    new_files.table_name,
    new_files.path,
    new_files.size_bytes,
    new_files.version,
    new_files.is_new_version,
    coalesce(counted.record_count - counted.refused_count, 0),
    coalesce(counted.refused_count, 0),
    this_load.load_id,
    this_load.loaded_at
from new_files
cross join this_load
left join counted on new_files.path = counted.path
where new_files.table_name = 'staging_events';

insert into "raw"."load_history" ("source", "table_name", "path", "size_bytes", "version", "is_new_version", "loaded_count", "rejected_count", "load_id", "loaded_at")
with
counted as (
    select
        new_files.path,
        count(*) as record_count,
        sum(case when case
        when btrim("artist_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'artist_id is missing'
        when not "artist_latitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_latitude is out of range'
        when not "artist_longitude" between -1.7976931348623157e308 and 1.7976931348623157e308 then 'artist_longitude is out of range'
        when btrim("song_id", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) = '' then 'song_id is missing'
    end is null then 0 else 1 end) as refused_count
    from "raw_external"."staging_songs" as records
    inner join new_files
        on 'staging_songs' = new_files.table_name
        and records."$path" = 's3://udacity-dend/' || new_files.path
    group by new_files.path
)
select
    's3://udacity-dend/song_data',
    new_files.table_name,
    new_files.path,
    new_files.size_bytes,
    new_files.version,
    new_files.is_new_version,
    coalesce(counted.record_count - counted.refused_count, 0),
    coalesce(counted.refused_count, 0),
    this_load.load_id,
    this_load.loaded_at
from new_files
cross join this_load
left join counted on new_files.path = counted.path
where new_files.table_name = 'staging_songs';

select count(*), coalesce(sum(loaded_count), 0), coalesce(sum(rejected_count), 0)
from "raw"."load_history"
where load_id = '49bfbb0aea94fbece4dc140ce5ea4e69';

