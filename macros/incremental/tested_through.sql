{# Returns the load through which what the test at hand looks at has passed all tests,
   where the variable `tests` is `changed`; none if all rows are to be looked at: as
   always without it, where a test or a model is not what it was then, or where a model
   was built anew since. Raises a compiler error for another value. #}
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
    {% set tests = last_build('tests') %}
    {% if not tests or tests.code != code_of_tests() %}{{ return(none) }}{% endif %}
    {% for node in models_before(model, [])
        if node.config.materialized == 'incremental' %}
        {% set last = last_build('raw' if node.name == 'int_builds' else node.name) %}
        {% if not last or last.generation > tests.built_at %}
            {{ return(none) }}
        {% endif %}
    {% endfor %}
    {{ return(tests.built_through) }}
{% endmacro %}
