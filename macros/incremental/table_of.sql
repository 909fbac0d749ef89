{# Returns the relation of a model in this run's schema, by the model's name. Generic
   tests and hooks cannot `ref` a model that dbt's parser does not see. #}
{% macro table_of(model_name) %}
    {% set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] %}
    {{ return(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias
    )) }}
{% endmacro %}
