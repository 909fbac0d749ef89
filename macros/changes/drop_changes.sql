{# Returns nothing: drops what an earlier `make changed` built. #}
{% macro drop_changes() %}
    {% do adapter.drop_schema(api.Relation.create(
        database=target.database,
        schema=var('schema_of_changes')
    )) %}
{% endmacro %}
