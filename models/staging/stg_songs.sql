with

songs as (select * from {{ source('raw', 'staging_songs').render() }}),

stg_songs as (

    select
        {{ clean_text('song_id') }} as song_id,
        {{ clean_text('title') }} as title,
        {{ clean_text('artist_id') }} as artist_id,
        {{ clean_text('artist_name') }} as artist_name,
        {{ clean_text('artist_location') }} as artist_location,
        artist_latitude,
        artist_longitude,
        {# The catalogue writes an unknown year as 0. #}
        cast(nullif(year, 0) as integer) as year,
        {# A cast would round on some engines and truncate on others. #}
        cast(round(duration, 5) as numeric(13, 5)) as duration_seconds,
        num_songs as song_count,
        loaded_at

    from songs

)

select * from stg_songs
