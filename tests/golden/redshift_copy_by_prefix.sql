lock "raw"."load_history";

select 1 / case when coalesce(cast(max(loaded_at) as varchar(32)), '') = '2018-11-30 12:00:00.5' then 1 else 0 end as "no_other_load_came_between" from "raw"."load_history";

create temporary table this_load as
select
    cast('a41bea2058c322bd7bb519c9d471c682' as varchar(64)) as load_id,
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

insert into "new_files" values
('staging_events', 'log_data/it''s $5 \\ ü.json', 512, 'e1', false);

create temporary table "copied_staging_events" (
    "artist" varchar(1024),
    "auth" varchar(1024),
    "firstname" varchar(1024),
    "gender" varchar(1024),
    "iteminsession" integer not null,
    "lastname" varchar(1024),
    "length" numeric(15, 8),
    "level" varchar(1024),
    "location" varchar(1024),
    "method" varchar(1024),
    "page" varchar(1024),
    "registration" double precision,
    "sessionid" bigint not null,
    "song" varchar(1024),
    "status" integer,
    "ts" bigint not null,
    "useragent" varchar(1024),
    "userid" varchar(1024),
    "source_path" varchar(4096)
);

copy "copied_staging_events" ("artist", "auth", "firstname", "gender", "iteminsession", "lastname", "length", "level", "location", "method", "page", "registration", "sessionid", "song", "status", "ts", "useragent", "userid")
from 's3://udacity-dend/log_data/'
iam_role 'arn:aws:iam::123456789012:role/sparkify-copy'
region 'us-west-2'
format as json 'auto ignorecase'
roundec
compupdate off
statupdate off;

insert into "raw"."staging_events" ("artist", "auth", "firstname", "gender", "iteminsession", "lastname", "length", "level", "location", "method", "page", "registration", "sessionid", "song", "status", "ts", "useragent", "userid", "loaded_at", "source_path")
select "artist", "auth", "firstname", "gender", "iteminsession", "lastname", "length", "level", "location", "method", "page", "registration", "sessionid", "song", "status", "ts", "useragent", "userid", this_load.loaded_at, source_path
from "copied_staging_events"
cross join this_load
where case
        when not "registration" between 0 and 253402300799999 then 'registration is out of range'
        when not "ts" between 0 and 253402300799999 then 'ts is out of range'
        when btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) !~ '^(-?[0-9]+)?$' then 'userId is neither empty nor a whole number'
        when length(replace(btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)), '-', '')) > 18 then 'userId is out of range'
    end is null;

insert into "raw"."rejected_records" ("table_name", "path", "line_number", "reason", "raw_text", "load_id", "loaded_at")
select
    'staging_events',
    cast(null as varchar(1)),
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
from "copied_staging_events"
cross join this_load
where case
        when not "registration" between 0 and 253402300799999 then 'registration is out of range'
        when not "ts" between 0 and 253402300799999 then 'ts is out of range'
        when btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)) !~ '^(-?[0-9]+)?$' then 'userId is neither empty nor a whole number'
        when length(replace(btrim("userid", chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)), '-', '')) > 18 then 'userId is out of range'
    end is not null;

select 1 / case when count(*) <= 1000 then 1 else 0 end as "few_enough_records_are_refused" from "raw"."rejected_records"
where loaded_at = (select loaded_at from this_load);

insert into "raw"."load_history" ("source", "table_name", "path", "size_bytes", "version", "is_new_version", "loaded_count", "rejected_count", "load_id", "loaded_at")
with
loaded as (
    select cast('staging_events' as varchar(64)) as table_name, coalesce(source_path, 'log_data/it''s $5 \\ ü.json') as path,
        count(*) as record_count
    from "raw"."staging_events" where loaded_at = (select loaded_at from this_load) group by 2
),
rejected as (
    select cast('staging_events' as varchar(64)) as table_name, coalesce(path, 'log_data/it''s $5 \\ ü.json') as path,
        count(*) as record_count
    from "raw"."rejected_records"
    where loaded_at = (select loaded_at from this_load) and table_name = cast('staging_events' as varchar(64)) group by 2
)
select
    case new_files.table_name when 'staging_events' then 's3://udacity-dend/log_data' end,
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
where load_id = 'a41bea2058c322bd7bb519c9d471c682';

