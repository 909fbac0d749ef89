{# Returns the statements that let a group of analysts read a relation. The variable
   SPARKIFY_ANALYSTS names the group, which must exist; none is granted without it. #}
{% macro grant_to_analysts(relation) -%}
{%- set group = env_var('SPARKIFY_ANALYSTS', '') | replace('"', '""') -%}
{%- if group -%}
{{ adapter.dispatch('grant_to_analysts')(relation, '"' ~ group ~ '"') }}
{%- endif -%}
{%- endmacro %}

{% macro default__grant_to_analysts(relation, group) -%}
grant usage on schema {{ adapter.quote(relation.schema) }} to group {{ group }};
grant select on {{ relation }} to group {{ group }}
{%- endmacro %}

{# It has no users. #}
{% macro duckdb__grant_to_analysts(relation, group) %}{% endmacro %}

{# Grants need a table format that a folder of Parquet is not. #}
{% macro spark__grant_to_analysts(relation, group) %}{% endmacro %}
