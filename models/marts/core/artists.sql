{{ config(dist = 'all', sort = 'artist_id') }}

with

songs as (select * from {{ ref('stg_songs') }}),

{# Deduplicate records first, so that repeated deliveries do not inflate name counts. #}
catalogue_rows as (

    select
        song_id,
        title,
        artist_id,
        artist_name,
        artist_location,
        artist_latitude,
        artist_longitude,
        year,
        duration_seconds,
        song_count,
        max(loaded_at) as loaded_at

    from songs

    group by
        song_id,
        title,
        artist_id,
        artist_name,
        artist_location,
        artist_latitude,
        artist_longitude,
        year,
        duration_seconds,
        song_count

),

counted_rows as (

    select
        song_id,
        artist_id,
        artist_name,
        artist_location,
        artist_latitude,
        artist_longitude,
        loaded_at,
        count(*) over (partition by artist_id, artist_name) as name_frequency

    from catalogue_rows

),

ranked_rows as (

    select
        artist_id,
        artist_name,
        artist_location,
        artist_latitude,
        artist_longitude,
        loaded_at,
        row_number() over (
            partition by artist_id
            order by
                case when artist_name is null then 1 else 0 end asc,
                name_frequency desc,
                length(artist_name) asc,
                {{ by_code_point('artist_name') }} asc,
                case when artist_location is null then 1 else 0 end asc,
                case
                    when artist_latitude is null or artist_longitude is null then 1
                    else 0
                end asc,
                {{ by_code_point('song_id') }} asc,
                {{ by_code_point('artist_location') }} asc nulls last,
                artist_latitude asc nulls last,
                artist_longitude asc nulls last
        ) as precedence

    from counted_rows

),

{# All columns come from one row. Columns of several rows would invent an artist. #}
artists as (

    select
        artist_id,
        artist_name as name,
        artist_location as location,
        artist_latitude as latitude,
        artist_longitude as longitude,
        loaded_at

    from ranked_rows

    where precedence = 1

)

select * from artists
