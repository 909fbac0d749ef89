{# Returns the statement by which an engine counts what is in a relation, empty where it
   does so by itself or need not know. A plan for a table of which nothing is known can
   take minutes for what takes a tenth of a second. #}
{% macro gather_statistics(relation) -%}
{{ adapter.dispatch('gather_statistics')(relation) }}
{%- endmacro %}

{% macro default__gather_statistics(relation) %}{% endmacro %}

{% macro postgres__gather_statistics(relation) -%}
analyze {{ relation }}
{%- endmacro %}

{# It takes the forms of its ancestor for its own, and gathers them by itself. #}
{% macro redshift__gather_statistics(relation) %}{% endmacro %}
