{# Returns the list `found`, with the models, seeds and snapshots upstream of a node
   added. #}
{% macro models_before(node, found) %}
    {% for name in node.depends_on.get('nodes', []) if name in graph.nodes %}
        {% set parent = graph.nodes[name] %}
        {% if parent not in found %}
            {% do found.append(parent) %}
            {% do models_before(parent, found) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}
