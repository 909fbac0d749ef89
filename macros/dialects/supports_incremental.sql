{# Returns whether an incremental run can change an existing relation: a table. #}
{% macro supports_incremental(relation) %}
    {{ return(adapter.dispatch('supports_incremental')(relation)) }}
{% endmacro %}

{% macro default__supports_incremental(relation) %}
    {{ return(relation.type == 'table') }}
{% endmacro %}

{# On a Parquet lake every build is a full refresh (docs/decisions/0007). So is the
   build of a table whose format changes. #}
{% macro spark__supports_incremental(relation) %}
    {{ return(relation['is_' ~ spark__table_format()] or false) }}
{% endmacro %}
