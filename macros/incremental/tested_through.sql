{# Returns the load through which what the test at hand looks at has passed all tests,
   where the variable `tests` is `changed`; none if all rows are to be looked at: as
   always without it, where a test or a model is not what it was then, or where a
   table was refreshed fully since. Raises a compiler error for another value. #}
{% macro tested_through() %}
    {% set asked = var('tests', 'all') %}
    {% if asked not in ('all', 'changed') %}
        {% do exceptions.raise_compiler_error(
            "The variable tests is all or changed, and not '" ~ asked ~ "'."
        ) %}
    {% endif %}
    {% if asked == 'all' or not execute or flags.INTROSPECT is sameas false %}
        {{ return(none) }}
    {% endif %}
    {% set names = models_before(model, [])
        | selectattr('config.materialized', 'equalto', 'incremental')
        | map(attribute='name') | list %}
    {% set builds = last_builds(['dbt_tests'] + names) %}
    {% set tests = builds.get('dbt_tests') %}
    {% if not tests or tests.code != code_of_tests() %}{{ return(none) }}{% endif %}
    {% set generations = tests.inputs.split(', ') %}
    {% for name in names
        if name ~ ' ' ~ builds.get(name, {}).generation not in generations %}
        {{ return(none) }}
    {% endfor %}
    {{ return(tests.built_through) }}
{% endmacro %}
