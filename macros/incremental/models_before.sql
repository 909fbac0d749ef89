{# Returns the models, seeds and snapshots before a node of the graph, added to those
   that are found already. #}
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
