{# Returns the statement that indexes a relation on its sort column, empty where the
   engine has no such index. What one engine sorts by, another finds by an index. #}
{% macro index_sort_column(relation) -%}
{{ adapter.dispatch('index_sort_column')(relation) }}
{%- endmacro %}

{% macro default__index_sort_column(relation) %}{% endmacro %}

{% macro postgres__index_sort_column(relation) -%}
create index on {{ relation }} ({{ adapter.quote(config.get('sort')) }})
{%- endmacro %}

{# It takes the forms of its ancestor for its own, and has no indexes. #}
{% macro redshift__index_sort_column(relation) %}{% endmacro %}
