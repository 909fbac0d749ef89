{# Returns the clause with the format of a new table, empty if the engine has none. #}
{% macro using_table_format() -%}
{{ adapter.dispatch('using_table_format')() }}
{%- endmacro %}

{% macro default__using_table_format() %}{% endmacro %}

{% macro spark__using_table_format() -%}
using {{ spark__table_format() }}
{%- endmacro %}
