{# Returns whether a build is a full refresh. Replaces dbt's macro of this name. It also
   is one if rows of its inputs were replaced or deleted (see plan_of_build). #}
{% macro should_full_refresh() %}
    {% if execute and model.config.materialized == 'incremental' %}
        {{ return(not is_incremental()) }}
    {% endif %}
    {{ return(dbt.should_full_refresh()) }}
{% endmacro %}
