{# Returns whether rows can be added to a table, and others taken away, in one
   transaction with the note of it in int_builds. If not, each build is a full one. #}
{% macro adds_to_tables() %}
    {{ return(adapter.dispatch('adds_to_tables')()) }}
{% endmacro %}

{% macro default__adds_to_tables() %}
    {{ return(true) }}
{% endmacro %}

{% macro spark__adds_to_tables() %}
    {{ return(false) }}
{% endmacro %}
