{# Returns the statement that inserts a row for each test of this build into the table
   `test_results`, in the schema of the build notes. `dbt build` and `dbt run` create
   the table if it is missing, so that dashboards can read it. Other dbt commands and
   `make changed` do nothing. #}
{% macro record_test_results(results) %}
    {% if not execute or flags.WHICH not in ('build', 'run')
        or var('schema_of_changes', none) %}
        {{ return('') }}
    {% endif %}
    {% set rows = [] %}
    {% for result in results
        if result.node.resource_type | string in ('test', 'unit_test') %}
        {% set row = "('%s', cast('%s' as timestamp), '%s', '%s', '%s', '%s', %s)" %}
        {% do rows.append(row % (
            invocation_id,
            run_started_at.replace(tzinfo=none),
            record_test_results__tested(result.node),
            result.node.resource_type | string | replace('_', ' '),
            result.node.name,
            result.status | string,
            result.failures or 0
        )) %}
    {% endfor %}
    {% set recorded = notes_of('test_results') %}
    {% if not load_relation(recorded) %}
        {% do adapter.create_schema(recorded) %}
        {% call statement('test_results', auto_begin=true) %}
            create table {{ recorded }} (
                build_id varchar(36),
                built_at timestamp,
                table_name varchar(127),
                test_type varchar(16),
                test_name varchar(1024),
                status varchar(16),
                failure_count bigint
            )
        {% endcall %}
        {% do adapter.commit() %}
    {% endif %}
    {% if not rows %}{{ return('') }}{% endif %}
    {{ return('insert into %s values\n%s' % (recorded, rows | join(',\n'))) }}
{% endmacro %}

{# Returns the name of the table that is tested. #}
{% macro record_test_results__tested(test) %}
    {% set tested = [test.tested_node_unique_id or test.attached_node]
        if test.tested_node_unique_id or test.attached_node
        else test.depends_on.nodes %}
    {{ return(
        tested[0].split('.')[-1] if tested | length == 1 else 'several tables'
    ) }}
{% endmacro %}
