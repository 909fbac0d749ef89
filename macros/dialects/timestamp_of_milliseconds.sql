{# Returns the UTC timestamp, without a time zone, of milliseconds since 1970. Never by
   way of a session's time zone, which puts local time into the star. #}
{% macro timestamp_of_milliseconds(milliseconds) -%}
{{ adapter.dispatch('timestamp_of_milliseconds')(milliseconds) }}
{%- endmacro %}

{# An interval is multiplied in binary floating point, exactly only for whole seconds.
   #}
{% macro default__timestamp_of_milliseconds(milliseconds) -%}
timestamp '1970-01-01'
+ ({{ milliseconds }} / 1000) * interval '1 second'
+ mod({{ milliseconds }}, 1000) * interval '1 millisecond'
{%- endmacro %}

{% macro duckdb__timestamp_of_milliseconds(milliseconds) -%}
epoch_ms({{ milliseconds }})
{%- endmacro %}

{# By whole days and what is left of them, since dateadd takes an integer. #}
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
