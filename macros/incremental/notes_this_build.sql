{# Returns whether this run writes a build note for the current model: an incremental
   model in `dbt run` or `dbt build`. `dbt clone` runs the same hooks but writes none.
   #}
{% macro notes_this_build() %}
    {{ return(
        execute
        and flags.WHICH in ('build', 'run')
        and model.config.materialized == 'incremental'
        and keeps_notes()
    ) }}
{% endmacro %}
