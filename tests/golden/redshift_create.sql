create schema if not exists "raw";

create table if not exists "raw"."staging_events" (
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
    "loaded_at" timestamp,
    "source_path" varchar(4096)
)
distkey (sessionid) sortkey (loaded_at);

create table if not exists "raw"."staging_songs" (
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
    "loaded_at" timestamp,
    "source_path" varchar(4096)
)
distkey (song_id) sortkey (loaded_at);

create table if not exists "raw"."load_history" (
    "source" varchar(4096),
    "table_name" varchar(64),
    "path" varchar(4096),
    "size_bytes" bigint,
    "version" varchar(256),
    "is_new_version" boolean,
    "loaded_count" bigint,
    "rejected_count" bigint,
    "load_id" varchar(64),
    "loaded_at" timestamp
)
diststyle even sortkey (loaded_at);

create table if not exists "raw"."rejected_records" (
    "table_name" varchar(64),
    "path" varchar(4096),
    "line_number" bigint,
    "reason" varchar(1024),
    "raw_text" varchar(65535),
    "load_id" varchar(64),
    "loaded_at" timestamp
)
diststyle even sortkey (loaded_at);

grant usage on schema "raw" to "it's ""me""";

grant select on all tables in schema "raw" to "it's ""me""";

