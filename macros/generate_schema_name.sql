{# Returns the schema that a model is built in: the target's, or one beside it, in which
   `make changed` builds. Stands in for dbt's macro of this name. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ var('schema_of_changes', target.schema) }}
{%- endmacro %}
