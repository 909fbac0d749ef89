{# Returns a model, by its name, as a relation of this run's schema. A generic test or
   a hook may ask for it, which cannot `ref` what dbt's parser does not see. #}
{% macro table_of(model_name) %}
    {% set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] %}
    {{ return(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias
    )) }}
{% endmacro %}
