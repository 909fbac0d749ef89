{# Returns the table of build notes of a model, by the model's name. It is in a separate
   schema and is not a node of the graph. #}
{% macro notes_of(name) %}
    {{ return(api.Relation.create(
        database=target.database,
        schema=generate_schema_name(none, none) ~ '_builds',
        identifier=name,
        type='table'
    )) }}
{% endmacro %}
