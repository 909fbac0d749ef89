{# Returns why a planned build must be a full refresh, as text, or none. #}
{% macro why_full_refresh(plan) %}
    {% set last = plan.last %}
    {% set macros = var('changed_macros', {}).get(model.unique_id) %}
    {% if not last %}{{ return('it has no build notes') }}{% endif %}
    {% if last.code == 'void' %}{{ return(last.inputs) }}{% endif %}
    {% if macros %}
        {{ return('a macro changed (' ~ macros | join(', ') ~ ')') }}
    {% endif %}
    {% if last.code != plan.code %}
        {{ return('its SQL or configuration, or that of an upstream model, changed') }}
    {% endif %}
    {% set reasons = [] %}
    {#- The raw tables come first, because other reasons follow from them. -#}
    {% for input in plan.inputs.split(', ') if input not in last.inputs.split(', ') %}
        {% set name = input.split(' ')[0] %}
        {% do reasons.append(
            'a raw file was replaced or the raw tables were recreated'
            if name == 'raw' else name ~ ' was fully refreshed'
        ) %}
    {% endfor %}
    {% if not reasons and last.built_through is none %}
        {% do reasons.append('an upstream model has no build notes') %}
    {% endif %}
    {{ return(reasons | first or none) }}
{% endmacro %}
