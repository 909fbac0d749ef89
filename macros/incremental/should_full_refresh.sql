{# Returns whether an incremental model is built anew, in place of dbt's macro of this
   name: also where what it was built from is not merely added to. Rows were replaced
   (docs/decisions/0008), or its SQL, or that of a model before it, changed. #}
{% macro should_full_refresh() %}
    {% if dbt.should_full_refresh() %}
        {{ return(true) }}
    {% endif %}
    {% if not execute or not keeps_builds() %}
        {{ return(false) }}
    {% endif %}
    {% set last = last_build(model.name) %}
    {% set now = build_basis() %}
    {{ return(
        not last
        or last.built_through is none
        or (last.code, last.inputs) != (now.code, now.inputs)
    ) }}
{% endmacro %}
