{# Returns whether this run notes the build of the model at hand: an incremental model
   that dbt run or dbt build builds from its inputs. `dbt clone` runs the same hooks. #}
{% macro notes_this_build() %}
    {{ return(
        execute
        and flags.WHICH in ('build', 'run')
        and model.config.materialized == 'incremental'
        and keeps_notes()
    ) }}
{% endmacro %}
