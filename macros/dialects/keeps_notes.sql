{# Returns whether builds are noted, so that a later one can add to a table: not on a
   lake of plain Parquet, where every build is a full one (docs/decisions/0007). #}
{% macro keeps_notes() %}
    {{ return(adapter.dispatch('keeps_notes')()) }}
{% endmacro %}

{% macro default__keeps_notes() %}
    {{ return(true) }}
{% endmacro %}

{% macro spark__keeps_notes() %}
    {{ return(false) }}
{% endmacro %}
