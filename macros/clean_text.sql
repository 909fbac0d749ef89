{# Returns the text of a column, repaired and without white space at its ends, null if
   nothing is left. The rule is docs/decisions/0002: a repair must come before the trim,
   since a twice encoded "à" ends in a no-break space. #}
{% macro clean_text(column) -%}
nullif({{ trim_white_space(repair_text(column)) }}, '')
{%- endmacro %}
