{# Returns the schema of a node: dbt's own, which is the target's, and behind it the
   node's `schema` if it has one. In place of the target's schema it takes the variable
   `schema_of_changes`, in which `make changed` builds. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ var('schema_of_changes', target.schema) }}
{%- if custom_schema_name %}_{{ custom_schema_name | trim }}{% endif %}
{%- endmacro %}
