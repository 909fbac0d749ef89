{# Returns the names of all incremental models, sorted. #}
{% macro incremental_models() %}
    {% set names = [] %}
    {% for node in graph.nodes.values()
        if node.resource_type == 'model' and node.config.materialized == 'incremental' %}
        {% do names.append(node.name) %}
    {% endfor %}
    {{ return(names | sort) }}
{% endmacro %}
