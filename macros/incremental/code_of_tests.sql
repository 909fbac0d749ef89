{# Returns a digest of all data tests and of the rows they select, computed once per
   run. The id of a generic test contains its arguments, but not its `where`. #}
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
