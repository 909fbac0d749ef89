{# Returns whether int_builds keeps how far the model at hand has been built. #}
{% macro keeps_builds() %}
    {{ return(
        model.config.materialized == 'incremental'
        and model.name != 'int_builds'
    ) }}
{% endmacro %}
