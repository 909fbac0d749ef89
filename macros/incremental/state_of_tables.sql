{# Returns the state of all incremental models. `generations`: their names and
   generations, as text. `built_through`: the load that all have reached, or none if
   one of them has no note. #}
{% macro state_of_tables() %}
    {% set names = incremental_models() %}
    {% set builds = last_builds(names) %}
    {% set generations = [] %}
    {% set reached = [] %}
    {% for name in names %}
        {% do generations.append(name ~ ' ' ~ builds.get(name, {}).generation) %}
        {% do reached.append(builds.get(name, {}).built_through) %}
    {% endfor %}
    {{ return({
        'generations': generations | join(', '),
        'built_through': none if none in reached or not reached else reached | min,
    }) }}
{% endmacro %}
