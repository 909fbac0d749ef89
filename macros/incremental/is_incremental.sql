{# Returns whether the build of the current model is incremental. Replaces dbt's macro
   of this name. Without a warehouse, the variable `assume_incremental` decides which
   form is compiled. Unit tests use the full form. #}
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
