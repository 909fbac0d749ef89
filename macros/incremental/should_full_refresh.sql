{# Returns whether a build is a full refresh. Replaces dbt's macro of this name.
   Replaced or deleted input rows also cause a full refresh (see plan_of_build). #}
{% macro should_full_refresh() %}
    {% if execute and model.config.materialized == 'incremental' %}
        {{ return(not is_incremental()) }}
    {% endif %}
    {{ return(dbt.should_full_refresh()) }}
{% endmacro %}
