{# Returns the UTC timestamp, without a time zone, of milliseconds since 1970. Does not
   depend on the time zone of the session. #}
{% macro timestamp_of_milliseconds(milliseconds) -%}
{{ adapter.dispatch('timestamp_of_milliseconds')(milliseconds) }}
{%- endmacro %}

{# Intervals are multiplied in binary floating point, which is exact only for whole
   seconds. #}
{% macro default__timestamp_of_milliseconds(milliseconds) -%}
timestamp '1970-01-01'
+ ({{ milliseconds }} / 1000) * interval '1 second'
+ mod({{ milliseconds }}, 1000) * interval '1 millisecond'
{%- endmacro %}

{% macro duckdb__timestamp_of_milliseconds(milliseconds) -%}
epoch_ms({{ milliseconds }})
{%- endmacro %}

{# Adds whole days and then the rest, because dateadd accepts 32-bit integers only. #}
{% macro redshift__timestamp_of_milliseconds(milliseconds) -%}
{%- set day = 24 * 60 * 60 * 1000 -%}
dateadd(
    ms,
    cast(mod({{ milliseconds }}, cast({{ day }} as bigint)) as integer),
    dateadd(
        day,
        cast({{ milliseconds }} / {{ day }} as integer),
        timestamp '1970-01-01'
    )
)
{%- endmacro %}

{% macro spark__timestamp_of_milliseconds(milliseconds) -%}
timestampadd(millisecond, {{ milliseconds }}, timestamp_ntz '1970-01-01')
{%- endmacro %}
