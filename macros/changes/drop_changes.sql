{# Returns nothing: drops what an earlier `make changed` built, in the schema beside the
   star and in those that begin with its name. A node may name a schema that stays. #}
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
