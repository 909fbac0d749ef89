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
        cast({{ 2 * 10 ** places * unit }} * ({{ numerator }}) as hugeint)
        + {{ unit }} * ({{ denominator }})
    ) // nullif({{ 2 * unit }} * ({{ denominator }}), 0)
    as decimal(18, 0)
) * {{ '0.' ~ '0' * (places - 1) ~ '1' }}
{%- endmacro %}
