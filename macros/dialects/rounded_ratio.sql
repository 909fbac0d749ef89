{# Returns numerator / denominator as an exact decimal, rounded half away from zero,
   null where the denominator is 0. Neither may be negative; the numerator has at most
   five places. Division gives a binary number on some engines, which rounds ties at
   will. #}
{% macro rounded_ratio(numerator, denominator, places=2) -%}
{{ adapter.dispatch('rounded_ratio')(numerator, denominator, places) }}
{%- endmacro %}

{% macro default__rounded_ratio(numerator, denominator, places) -%}
cast(
    round(
        cast({{ numerator }} as numeric(38, 5)) / nullif({{ denominator }}, 0),
        {{ places }}
    ) as numeric(18, {{ places }})
)
{%- endmacro %}

{% macro duckdb__rounded_ratio(numerator, denominator, places) -%}
{%- set unit = 10 ** 5 -%}
cast(
    (
        cast(
            {{ 2 * 10 ** places * unit }} * cast({{ numerator }} as decimal(38, 5))
            as hugeint
        )
        + {{ unit }} * ({{ denominator }})
    ) // nullif({{ 2 * unit }} * ({{ denominator }}), 0)
    as decimal(18, 0)
) * {{ '0.' ~ '0' * (places - 1) ~ '1' }}
{%- endmacro %}

{# A quotient of decimals is cut to few places, one of whole numbers to none: so this
   divides whole numbers. They overflow, with an error, from 4.6e11 / 10 ** (places - 2)
   on. #}
{% macro redshift__rounded_ratio(numerator, denominator, places) -%}
{%- set unit = 10 ** 5 -%}
cast(
    cast(
        (
            cast({{ 2 * 10 ** places * unit }} * ({{ numerator }}) as bigint)
            + cast({{ unit }} * ({{ denominator }}) as bigint)
        ) / nullif(cast({{ 2 * unit }} * ({{ denominator }}) as bigint), 0)
        as numeric(18, {{ places }})
    ) / {{ 10 ** places }}
    as numeric(18, {{ places }})
)
{%- endmacro %}

{# A quotient of decimals is rounded to six places, and so would be rounded twice. #}
{% macro spark__rounded_ratio(numerator, denominator, places) -%}
{%- set unit = 10 ** 5 -%}
cast(
    (
        {{ 2 * 10 ** places * unit }} * cast({{ numerator }} as decimal(38, 5))
        + {{ unit }} * cast({{ denominator }} as decimal(38, 0))
    ) div nullif({{ 2 * unit }} * cast({{ denominator }} as decimal(38, 0)), 0)
    as decimal(18, 0)
) * {{ '0.' ~ '0' * (places - 1) ~ '1' }}
{%- endmacro %}
