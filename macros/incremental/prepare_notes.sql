{# Returns nothing. Creates missing tables of build notes, one for each incremental
   model and one for the data tests. Raises a compiler error if nothing was loaded.
   Columns: `number` counts the builds of the model. `generation` is the id of the run
   that last refreshed it fully. `code` and `inputs` identify its code and inputs (see
   plan_of_build). `built_through` is the latest load that the build contains fully. #}
{% macro prepare_notes() %}
    {% if execute and flags.WHICH in ('build', 'run', 'test') %}
        {% do state_of_raw() %}
    {% endif %}
    {% if not execute or flags.WHICH not in ('build', 'run') or not keeps_notes() %}
        {{ return('') }}
    {% endif %}
    {% set missing = [] %}
    {% for name in ['dbt_tests'] + incremental_models()
        if not load_relation(notes_of(name)) %}
        {% do missing.append(notes_of(name)) %}
    {% endfor %}
    {% if not missing %}{{ return('') }}{% endif %}
    {% call statement('schema_of_notes', auto_begin=true) %}
        create schema if not exists {{ adapter.quote(missing[0].schema) }}
    {% endcall %}
    {% for notes in missing %}
    {% call statement('notes', auto_begin=true) %}
        create table if not exists {{ notes }} (
            number bigint,
            generation varchar(36),
            code varchar(32),
            inputs varchar(4000),
            built_through timestamp
        ) {{ using_table_format() }}
    {% endcall %}
    {% do adapter.cache_added(notes) %}
    {% endfor %}
    {% do adapter.commit() %}
    {{ return('') }}
{% endmacro %}
