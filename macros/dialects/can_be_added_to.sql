{# Returns whether rows can be added to a relation that is there: to a table. #}
{% macro can_be_added_to(relation) %}
    {{ return(adapter.dispatch('can_be_added_to')(relation)) }}
{% endmacro %}

{% macro default__can_be_added_to(relation) %}
    {{ return(relation.type == 'table') }}
{% endmacro %}

{# On a lake of plain Parquet every build is a full one (docs/decisions/0007). A table
   in another format than that of this build can't be added to either. #}
{% macro spark__can_be_added_to(relation) %}
    {{ return(relation['is_' ~ spark__table_format()] or false) }}
{% endmacro %}
