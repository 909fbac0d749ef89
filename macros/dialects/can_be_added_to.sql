{# Returns whether rows can be added to a relation that is there: a table, or on Spark
   the view that shows the parts of one. #}
{% macro can_be_added_to(relation) %}
    {{ return(adapter.dispatch('can_be_added_to')(relation)) }}
{% endmacro %}

{% macro default__can_be_added_to(relation) %}
    {{ return(relation.type == 'table') }}
{% endmacro %}

{% macro spark__can_be_added_to(relation) %}
    {{ return(relation.is_view and '_versions.' in (relation.information or '')) }}
{% endmacro %}
