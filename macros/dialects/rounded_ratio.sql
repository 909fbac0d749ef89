{# Returns numerator / denominator as an exact decimal, rounded half away from zero,
   null if the denominator is 0. Both must not be negative. The numerator has at most
   five places. On some engines, division returns a binary number, which does not round
   ties reliably. #}
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

{# The quotient of decimals is truncated to few places, so this divides integers and
   adds the rounding. Numerators from 4.6e11 / 10 ** (places - 2) overflow, with an
   error. #}
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

{# A quotient of decimals is rounded to six places, so rounding it again is wrong. #}
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
