{# Returns a text cast to the width of raw columns, on engines that reserve memory for
   sorts and hashes by the declared width. They assume the maximum for an expression.
   The text fits, because cleaning never makes it longer. #}
{% macro with_raw_width(text) -%}
{{ adapter.dispatch('with_raw_width')(text) }}
{%- endmacro %}

{% macro default__with_raw_width(text) -%}
{{ text }}
{%- endmacro %}

{% macro redshift__with_raw_width(text) -%}
cast({{ text }} as varchar(1024))
{%- endmacro %}
