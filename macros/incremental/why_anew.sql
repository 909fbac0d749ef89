{# Returns why a model can't be added to, by a plan of its build; none if it can. #}
{% macro why_anew(plan) %}
    {% set last = plan.last %}
    {% set macros = var('changed_macros', {}).get(model.unique_id) %}
    {% if not last %}{{ return('no build of it is noted') }}{% endif %}
    {% if last.code == 'void' %}{{ return(last.inputs) }}{% endif %}
    {% if macros %}{{ return('a macro changed (' ~ macros | join(', ') ~ ')') }}{% endif %}
    {% if last.code != plan.code %}
        {{ return('its SQL or configuration, or that of a model before it, changed') }}
    {% endif %}
    {% set reasons = [] %}
    {#- The raw tables come first, and are the reason of what follows. -#}
    {% for input in plan.inputs.split(', ') if input not in last.inputs.split(', ') %}
        {% set name = input.split(' ')[0] %}
        {% do reasons.append(
            'a raw file came in a new version, or the raw tables were made anew'
            if name == 'raw' else name ~ ' was built anew'
        ) %}
    {% endfor %}
    {% if not reasons and last.built_through is none %}
        {% do reasons.append('what it was built from is not noted') %}
    {% endif %}
    {{ return(reasons | first or none) }}
{% endmacro %}
