{# Returns nothing. Drops the schema that an earlier `make changed` built, and schemas
   whose names begin with its name. Schemas that the last good build uses are kept. #}
{% macro drop_changes() %}
    {% set own = var('schema_of_changes') %}
    {% set schemas = [own, notes_of('').schema] %}
    {% for node in graph.nodes.values() if node.schema.startswith(own ~ '_') %}
        {% do schemas.append(node.schema) %}
    {% endfor %}
    {% for schema in schemas | unique %}
        {% do adapter.drop_schema(
            api.Relation.create(database=target.database, schema=schema)
        ) %}
    {% endfor %}
{% endmacro %}
