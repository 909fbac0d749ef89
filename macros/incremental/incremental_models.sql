{# Returns the names of all incremental models, sorted. #}
{% macro incremental_models() %}
    {% set names = [] %}
    {% for node in graph.nodes.values() if node.config.materialized == 'incremental' %}
        {% do names.append(node.name) %}
    {% endfor %}
    {{ return(names | sort) }}
{% endmacro %}
