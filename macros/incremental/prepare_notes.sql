{# Makes the tables of notes that are missing: one for each incremental model and one for
   the tests of data. Their columns: `number`, which counts the builds of the model;
   `generation`, which names the run that last built it anew; `code` and `inputs`, what
   it was built from (see plan_of_build); and `built_through`, the latest load that is in
   the build whole. #}
{% macro prepare_notes() %}
    {% if not execute or flags.WHICH not in ('build', 'run') or not keeps_notes() %}
        {{ return('') }}
    {% endif %}
    {% set missing = [] %}
    {% for name in ['dbt_tests'] + incremental_models()
        if not load_relation(notes_of(name)) %}
        {% do missing.append(notes_of(name)) %}
    {% endfor %}
    {% if not missing %}{{ return('') }}{% endif %}
    {% call statement('notes', auto_begin=true) %}
        create schema if not exists {{ adapter.quote(missing[0].schema) }};
        {% for notes in missing %}
        create table if not exists {{ notes }} (
            number bigint,
            generation varchar(36),
            code varchar(32),
            inputs varchar(4000),
            built_through timestamp
        );
        {% do adapter.cache_added(notes) %}
        {% endfor %}
    {% endcall %}
    {% do adapter.commit() %}
    {{ return('') }}
{% endmacro %}
