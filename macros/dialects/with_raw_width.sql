{# Returns a text cast to the width of raw columns, on engines that reserve memory for
   sorts and hashes by the declared width, and assume the maximum for an expression. The
   text must fit: cleaning never makes text longer. #}
{% macro with_raw_width(text) -%}
{{ adapter.dispatch('with_raw_width')(text) }}
{%- endmacro %}

{% macro default__with_raw_width(text) -%}
{{ text }}
{%- endmacro %}

{% macro redshift__with_raw_width(text) -%}
cast({{ text }} as varchar(1024))
{%- endmacro %}
