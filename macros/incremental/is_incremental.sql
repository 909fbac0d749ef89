{# Returns whether a run adds to the model at hand, in place of dbt's macro of this
   name. SQL that is compiled without a warehouse has none to ask: there the variable
   `assume_incremental` says which of the two forms is wanted. A unit test sees the full
   form, whatever is built. #}
{% macro is_incremental() %}
    {% if model.resource_type == 'unit_test' %}{{ return(false) }}{% endif %}
    {% if flags.INTROSPECT is sameas false %}
        {{ return(
            var('assume_incremental', false)
            and model.config.materialized == 'incremental'
        ) }}
    {% endif %}
    {% if not execute %}{{ return(false) }}{% endif %}
    {% set built = load_relation(this) %}
    {{ return(
        model.config.materialized == 'incremental'
        and built is not none
        and can_be_added_to(built)
        and not should_full_refresh()
    ) }}
{% endmacro %}
