{# Returns of all incremental models their `generations`, as a text, and the load that
   they have all reached, `built_through`: none if one of them has no note. #}
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
