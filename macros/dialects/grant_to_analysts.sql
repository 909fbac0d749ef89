{# Returns the statement that lets a group of analysts read a relation, or without one
   find relations in this run's schema. The variable SPARKIFY_ANALYSTS names the group,
   which must exist; nothing is granted without it.
   Of the schema it is granted once, at the end of a run: models that are built side by
   side would all change the schema's one row of the catalogue. #}
{% macro grant_to_analysts(relation=none) -%}
{%- set group = env_var('SPARKIFY_ANALYSTS', '') | replace('"', '""') -%}
{%- if group and writes_tables() -%}
{{ adapter.dispatch('grant_to_analysts')(relation, '"' ~ group ~ '"') }}
{%- endif -%}
{%- endmacro %}

{% macro default__grant_to_analysts(relation, group) -%}
{%- if relation -%}
grant select on {{ relation }} to group {{ group }}
{%- else -%}
grant usage on schema {{ adapter.quote(generate_schema_name(none, none)) }}
to group {{ group }}
{%- endif -%}
{%- endmacro %}

{# It has no users. #}
{% macro duckdb__grant_to_analysts(relation, group) %}{% endmacro %}

{# Grants need a table format that a folder of Parquet is not. #}
{% macro spark__grant_to_analysts(relation, group) %}{% endmacro %}
