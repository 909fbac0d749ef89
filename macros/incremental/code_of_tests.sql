{# Returns a digest of all tests of data, and of what they look at, made once in a
   run. A generic test has its arguments in its id, but not the rows that it is
   limited to. #}
{% macro code_of_tests() %}
    {% set made = graph.get('code_of_tests', {}) %}
    {% if made.run != invocation_id %}
        {% set code = [] %}
        {% for node in graph.nodes.values() | sort(attribute='unique_id')
            if node.resource_type in ('model', 'seed', 'test') %}
            {% do code.append(code_of_node(node) ~ ' ' ~ node.config.where) %}
        {% endfor %}
        {% set made = {'run': invocation_id, 'code': local_md5(code | join(' '))} %}
        {% do graph.update({'code_of_tests': made}) %}
    {% endif %}
    {{ return(made.code) }}
{% endmacro %}
