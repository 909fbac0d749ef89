{# Returns the schema of a node as dbt does: the target's schema, followed by the node's
   `schema` config, if any. The variable `schema_of_changes` replaces the target's
   schema in `make changed`. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ var('schema_of_changes', target.schema) }}
{%- if custom_schema_name %}_{{ custom_schema_name | trim }}{% endif %}
{%- endmacro %}
