{# Returns whether this run writes a build note for the current model. `dbt run` and
   `dbt build` write one for incremental models. `dbt clone` writes none. #}
{% macro notes_this_build() %}
    {{ return(
        execute
        and flags.WHICH in ('build', 'run')
        and model.config.materialized == 'incremental'
        and keeps_notes()
    ) }}
{% endmacro %}
