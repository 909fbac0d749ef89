{# Returns whether rows can be added to a relation that is there: to a table. On a lake
   of plain Parquet every build is a full one (docs/decisions/0007). #}
{% macro can_be_added_to(relation) %}
    {{ return(adapter.dispatch('can_be_added_to')(relation)) }}
{% endmacro %}

{% macro default__can_be_added_to(relation) %}
    {{ return(relation.type == 'table') }}
{% endmacro %}

{% macro spark__can_be_added_to(relation) %}
    {{ return(false) }}
{% endmacro %}
