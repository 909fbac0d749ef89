{# Returns the clause of a new table that names its format, where there are several. #}
{% macro using_table_format() -%}
{{ adapter.dispatch('using_table_format')() }}
{%- endmacro %}

{% macro default__using_table_format() %}{% endmacro %}

{% macro spark__using_table_format() -%}
using {{ spark__table_format() }}
{%- endmacro %}
