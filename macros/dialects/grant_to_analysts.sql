{# Returns the statement that lets a group read a relation, or the statements that let
   it use the schemas of a run's results. The variable SPARKIFY_ANALYSTS names the
   group, which must exist. Without the variable, nothing is granted.
   Schemas are granted once, at the end of a run, because concurrent grants of models
   would change the same row of the catalogue. #}
{% macro grant_to_analysts(relation=none, results=[]) -%}
{%- set group = env_var('SPARKIFY_ANALYSTS', '') | replace('"', '""') -%}
{%- if group and writes_tables() -%}
{%- set schemas = [] -%}
{%- for result in results if result.status == 'success' -%}
{%- for hook in result.node.config.get('post_hook') or []
    if 'grant_to_analysts' in hook.sql -%}
{%- do schemas.append(result.node.schema) -%}
{%- endfor -%}
{%- endfor -%}
{{ adapter.dispatch('grant_to_analysts')(
    relation, schemas | unique, 'group "' ~ group ~ '"'
) }}
{%- endif -%}
{%- endmacro %}

{% macro default__grant_to_analysts(relation, schemas, group) -%}
{%- if relation -%}
grant select on {{ relation }} to {{ group }}
{%- endif -%}
{%- for schema in schemas -%}
grant usage on schema {{ adapter.quote(schema) }} to {{ group }};
{% endfor -%}
{%- endmacro %}

{# The engine has no users. #}
{% macro duckdb__grant_to_analysts(relation, schemas, group) %}{% endmacro %}

{# A Parquet lake has no grants. #}
{% macro spark__grant_to_analysts(relation, schemas, group) %}{% endmacro %}
