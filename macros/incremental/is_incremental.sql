{# Returns whether a run adds to the model at hand, in place of dbt's macro of this
   name. SQL that is compiled without a warehouse has none to ask: there the variable
   `assume_incremental` says which of the two forms is wanted. A unit test sees the
   full form, whatever is built. #}
{% macro is_incremental() %}
    {% if not execute or model.config.materialized != 'incremental'
        or model.resource_type == 'unit_test' %}
        {{ return(false) }}
    {% elif flags.INTROSPECT is sameas false %}
        {{ return(var('assume_incremental', false)) }}
    {% endif %}
    {% if not keeps_notes() or not load_relation(this) %}{{ return(false) }}{% endif %}
    {{ return(plan_of_build().adds) }}
{% endmacro %}
