{{ config(dist = 'all', sort = 'song_id') }}

with

catalogue as (select * from {{ ref('stg_songs') }}),

ranked_rows as (

    select
        song_id,
        title,
        artist_id,
        year,
        duration_seconds as duration,
        loaded_at,
        row_number() over (
            partition by song_id
            order by
                year desc nulls last,
                {{ by_code_point('title') }} asc nulls last,
                {{ by_code_point('artist_id') }} asc,
                duration_seconds asc nulls last
        ) as precedence

    from catalogue

),

{# All columns come from one catalogue row. A minimum per column would invent a song. #}
songs as (

    select
        song_id,
        title,
        artist_id,
        year,
        duration,
        loaded_at

    from ranked_rows

    where precedence = 1

)

select * from songs
