{# Returns the code of a node as text: its SQL, its contract, and the configuration that
   changes its table. #}
{% macro code_of_node(node) %}
    {% set code = [node.unique_id, node.checksum.checksum] %}
    {% for setting in ('materialized', 'unique_key', 'sort', 'dist', 'column_types') %}
        {% do code.append(setting ~ '=' ~ node.config.get(setting)) %}
    {% endfor %}
    {% for column in node.columns.values() %}
        {% do code.append(
            [column.name, column.data_type, column.constraints] | join(' ')
        ) %}
    {% endfor %}
    {{ return(code | join(' ')) }}
{% endmacro %}
