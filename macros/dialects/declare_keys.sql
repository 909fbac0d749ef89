{# Returns the statements that declare the keys whose tests passed in this build, and
   that drop keys whose tests failed. Only for engines where keys are information for
   the planner. On other engines a key is an index, or makes the next build fail. #}
{% macro declare_keys(results) -%}
{{ adapter.dispatch('declare_keys')(results) }}
{%- endmacro %}

{% macro default__declare_keys(results) %}{% endmacro %}

{# The planner trusts keys, so a wrong key causes wrong results. Only keys with passed
   tests are declared. drop_keys drops them before the build writes, so that no test is
   answered from the key that it checks. #}
{% macro redshift__declare_keys(results) -%}
{%- set keys = redshift__tested_keys(results) if execute else [] -%}
{%- set declared = (redshift__declared_keys() if keys else [])
    | map(attribute='place') | list -%}
{%- set statements = [] -%}
{%- for key in keys if not key.holds and key.place in declared -%}
{%- do statements.append(
    'alter table ' ~ key.table ~ ' drop constraint ' ~ key.name ~ ' cascade'
) -%}
{%- endfor -%}
{%- for kind in ('primary key', 'foreign key') if flags.WHICH == 'build' -%}
{%- for key in keys
    if key.kind == kind and key.holds and key.place not in declared -%}
{%- do statements.append(
    'alter table ' ~ key.table ~ ' add constraint ' ~ key.name ~ ' ' ~ key.definition
) -%}
{%- endfor -%}
{%- endfor -%}
{{ statements | join(';\n') }}
{%- endmacro %}

{# The primary key is the first column with a passed unique test and a not_null
   constraint. A foreign key is a passed relationships test to a primary key. #}
{% macro redshift__tested_keys(results) -%}
{%- set keys = [] -%}
{%- set primary = {} -%}
{%- for test_name in ('unique', 'relationships') -%}
{%- for result in results
    if result.status in ('pass', 'warn', 'fail')
    and result.node.test_metadata is defined
    and result.node.test_metadata.name == test_name
    and result.node.attached_node in graph.nodes
    and graph.nodes[result.node.attached_node].config.materialized
        in ('table', 'incremental') -%}
{%- set test = result.node -%}
{%- set table = graph.nodes[test.attached_node] -%}
{%- set column = test.column_name -%}
{%- set suffix = 'pk' if test_name == 'unique' else 'fk' -%}
{%- set name = [table.alias, column, suffix] | join('_') -%}
{%- set key = {
    'table': table.relation_name,
    'name': name,
    'place': [table.schema, table.alias, name] | join('.'),
    'holds': result.status == 'pass',
} -%}
{%- if test_name == 'unique' -%}
{%- set limits = table.columns[column].constraints | map(attribute='type') | list -%}
{%- if 'not_null' in limits and test.attached_node not in primary -%}
{%- do primary.update({test.attached_node: column if key.holds}) -%}
{%- do key.update(
    {'kind': 'primary key', 'definition': 'primary key (' ~ column ~ ')'}
) -%}
{%- do keys.append(key) -%}
{%- endif -%}
{%- else -%}
{%- set other = test.depends_on.nodes | reject('eq', test.attached_node) | first -%}
{%- if primary.get(other) == test.test_metadata.kwargs.field -%}
{%- do key.update({
    'kind': 'foreign key',
    'definition': 'foreign key (' ~ column ~ ') references '
        ~ graph.nodes[other].relation_name ~ ' (' ~ primary[other] ~ ')',
}) -%}
{%- do keys.append(key) -%}
{%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- endfor -%}
{{ return(keys) }}
{%- endmacro %}

{# Returns the existing keys of models, foreign keys first. #}
{% macro redshift__declared_keys() -%}
{%- set found = run_query("""
    select
        pg_namespace.nspname || '.' || pg_class.relname as place,
        pg_constraint.conname as name

    from pg_constraint
    inner join pg_class on pg_constraint.conrelid = pg_class.oid
    inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid

    where pg_constraint.contype in ('f', 'p')

    order by pg_constraint.contype, pg_constraint.conname
""") -%}
{%- set models = {} -%}
{%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
{%- do models.update({node.schema ~ '.' ~ node.alias: node.relation_name}) -%}
{%- endfor -%}
{%- set keys = [] -%}
{%- for row in found.rows if row.place in models -%}
{%- do keys.append({
    'table': models[row.place],
    'name': row.name,
    'place': row.place ~ '.' ~ row.name,
}) -%}
{%- endfor -%}
{{ return(keys) }}
{%- endmacro %}
