{# Returns the table in which the builds of a model are noted, by the model's name. It
   lies in a schema of its own beside the star, and is no node of the graph. #}
{% macro notes_of(name) %}
    {{ return(api.Relation.create(
        database=target.database,
        schema=generate_schema_name(none, none) ~ '_builds',
        identifier=name,
        type='table'
    )) }}
{% endmacro %}
