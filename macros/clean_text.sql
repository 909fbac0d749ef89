{# Returns the text of a column, repaired and trimmed, null if it is empty then
   (docs/decisions/0002). Engines with dictionary compression evaluate this form once
   per distinct value, not once per row. #}
{% macro clean_text(column) -%}
{%- set cleaned -%}
nullif(
    coalesce(
        {{ trim_white_space(repaired_text(column)) }},
        {{ trim_white_space(column) }}
    ),
    ''
)
{%- endset -%}
{{ with_raw_width(cleaned) }}
{%- endmacro %}
