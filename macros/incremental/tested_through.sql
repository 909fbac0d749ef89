{# Returns the load through which the rows of the current test have passed all tests.
   Returns none if all rows must be tested: if the variable `tests` is `all` and not
   `changed`, a test or model changed, or a table got a full refresh. Raises a compiler
   error for another value of the variable. #}
{% macro tested_through() %}
    {% set asked = var('tests', 'all') %}
    {% if asked not in ('all', 'changed') %}
        {% do exceptions.raise_compiler_error(
            "The variable tests must be all or changed, not '" ~ asked ~ "'."
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
