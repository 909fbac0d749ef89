{# Returns the text of a column, repaired and without white space at its ends, null if
   nothing is left. The rule is docs/decisions/0002. Written so, engines that compress
   text by a dictionary trim the dictionary and not every row. #}
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
