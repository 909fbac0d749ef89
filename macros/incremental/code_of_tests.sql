{# Returns a digest of all tests of data, and of the SQL that they look at. A generic
   test has its arguments in its id, but not the rows that it is limited to. #}
{% macro code_of_tests() %}
    {% set code = [] %}
    {% for node in graph.nodes.values() | sort(attribute='unique_id')
        if node.resource_type in ('model', 'seed', 'test') %}
        {% do code.append(
            [node.unique_id, node.checksum.checksum, node.config.where] | join(' ')
        ) %}
    {% endfor %}
    {{ return(local_md5(code | join(' '))) }}
{% endmacro %}
