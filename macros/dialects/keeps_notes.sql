{# Returns whether build notes are written, which incremental runs need. On a Parquet
   lake every build is a full refresh (docs/decisions/0007). #}
{% macro keeps_notes() %}
    {{ return(adapter.dispatch('keeps_notes')()) }}
{% endmacro %}

{% macro default__keeps_notes() %}
    {{ return(true) }}
{% endmacro %}

{% macro spark__keeps_notes() %}
    {{ return(spark__table_format() != 'parquet') }}
{% endmacro %}
