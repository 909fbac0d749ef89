{# Returns a text in the width that raw columns have, where an engine reserves memory by
   the declared width of what it sorts and hashes, and does not know that of a long
   expression. The text must fit: cleaning never lengthens one. #}
{% macro with_raw_width(text) -%}
{{ adapter.dispatch('with_raw_width')(text) }}
{%- endmacro %}

{% macro default__with_raw_width(text) -%}
{{ text }}
{%- endmacro %}

{% macro redshift__with_raw_width(text) -%}
cast({{ text }} as varchar(1024))
{%- endmacro %}
