{# Returns the statements that note the results of the data tests of a build. If all
   ran and passed: the load through which all data is tested. If a key of a model is
   not unique: its next build is a full refresh. `dbt test` notes nothing, since it
   need not have the right to write. #}
{% macro record_tests(results) %}
    {% if not execute or flags.WHICH != 'build' or not keeps_notes() %}
        {{ return('') }}
    {% endif %}
    {% set passed = [] %}
    {% set statements = [] %}
    {% for result in results %}
        {% set test = graph.nodes.get(result.node.unique_id, {}) %}
        {% set tested = graph.nodes.get(test.attached_node) %}
        {% if result.status in ('pass', 'warn') %}
            {% do passed.append(test.unique_id) %}
        {% elif result.status == 'fail'
            and test.get('test_metadata', {}).name == 'unique'
            and tested.config.materialized == 'incremental' %}
            {% do statements.append(void_build(
                tested.name, 'its ' ~ test.column_name ~ ' was not unique'
            )) %}
        {% endif %}
    {% endfor %}
    {% for node in graph.nodes.values()
        if node.resource_type == 'test' and node.unique_id not in passed %}
        {{ return(statements | join(';\n')) }}
    {% endfor %}
    {% set state = state_of_tables() %}
    {% if state.built_through %}
        {% do statements.append(add_note(
            'dbt_tests', code_of_tests(), state.generations, state.built_through
        )) %}
    {% endif %}
    {{ return(statements | join(';\n')) }}
{% endmacro %}
