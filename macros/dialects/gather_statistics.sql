{# Returns the statement that gathers planner statistics of a relation, empty on engines
   that need none or gather them automatically. Without statistics, a query that takes
   0.1 seconds can take minutes. #}
{% macro gather_statistics(relation) -%}
{{ adapter.dispatch('gather_statistics')(relation) }}
{%- endmacro %}

{% macro default__gather_statistics(relation) %}{% endmacro %}

{% macro postgres__gather_statistics(relation) -%}
analyze {{ relation }}
{%- endmacro %}

{# Inherits macros from its parent adapter, but gathers statistics automatically. #}
{% macro redshift__gather_statistics(relation) %}{% endmacro %}
