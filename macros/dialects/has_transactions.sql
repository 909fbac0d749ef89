{# Returns whether a model's rows and the note of them in int_builds are written in one
   transaction. If not, the materialization writes the note. #}
{% macro has_transactions() %}
    {{ return(adapter.dispatch('has_transactions')()) }}
{% endmacro %}

{% macro default__has_transactions() %}
    {{ return(true) }}
{% endmacro %}

{% macro spark__has_transactions() %}
    {{ return(false) }}
{% endmacro %}
