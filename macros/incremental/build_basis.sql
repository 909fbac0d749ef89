{# Returns what the model at hand would be built from: `code`, a digest of its SQL and
   that of all models before it; `inputs`, a digest of the generations of those of them
   that are incremental; and `built_through`, the load that they have all reached. #}
{% macro build_basis() %}
    {% set code = [model.checksum.checksum] %}
    {% set inputs = [] %}
    {% set reached = [] %}
    {% for node in models_before(model, []) | sort(attribute='unique_id') %}
        {% do code.append(node.checksum.checksum) %}
        {% if node.config.materialized == 'incremental' %}
            {% set name = 'raw' if node.name == 'int_builds' else node.name %}
            {% set last = last_build(name) %}
            {#- A build beside the star reads tables of which it has built none. -#}
            {% do inputs.append(last.generation | string if last else '') %}
            {% do reached.append(last.built_through if last else none) %}
        {% endif %}
    {% endfor %}
    {{ return({
        'code': local_md5(code | join(' ')),
        'inputs': local_md5(inputs | join(' ')),
        'built_through': none if none in reached else reached | min,
    }) }}
{% endmacro %}
