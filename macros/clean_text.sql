{# Returns the text of a column, repaired and without white space at its ends, null if
   nothing is left. The rule is docs/decisions/0002. A repaired text holds a character
   beyond ASCII, so that a trim never empties it; written so, engines that compress text
   by a dictionary trim the dictionary and not every row. #}
{% macro clean_text(column) -%}
coalesce(
    {{ trim_white_space(repaired_text(column)) }},
    nullif({{ trim_white_space(column) }}, '')
)
{%- endmacro %}
