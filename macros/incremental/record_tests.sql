{# Returns the statements that record the results of a build's data tests. If all tests
   ran and passed, they note the load through which the data is tested. If a model's key
   is not unique, they make its next build a full refresh. `dbt test` records nothing,
   because its user may not be allowed to write. #}
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
