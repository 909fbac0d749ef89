{# Returns whether a table is refreshed fully. Replaces dbt's macro of this name: also
   where what it was built from is not merely added to (see plan_of_build). #}
{% macro should_full_refresh() %}
    {% if execute and model.config.materialized == 'incremental' %}
        {{ return(not is_incremental()) }}
    {% endif %}
    {{ return(dbt.should_full_refresh()) }}
{% endmacro %}
