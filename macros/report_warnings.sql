{# Returns nothing. Logs each test with a warning: its values with counts or its first
   rows, and the command that lists all rows. #}
{% macro report_warnings(results) %}
    {% for result in (results if execute else [])
        if result.status == 'warn' and result.node.resource_type == 'test' %}
        {% set test = result.node %}
        {% set is_known_values = test.test_metadata is defined
            and test.test_metadata.name == 'known_values' %}
        {% set found %}
            {% if is_known_values %}
            select
                {{ test.column_name }},
                count(*) as row_count
            from ({{ test.compiled_code }}) as found
            group by {{ test.column_name }}
            order by row_count desc, {{ test.column_name }} asc
            {% else %}
            select * from ({{ test.compiled_code }}) as found
            {% endif %}
            limit 6
        {% endset %}
        {% set shown = [] %}
        {% for row in run_query(found).rows %}
            {% set values = [] %}
            {% for name, value in row.dict().items() %}
                {% do values.append(name ~ ' ' ~ (
                    tojson(value[:100]) if value is string
                    else 'null' if value is none
                    else value
                )) %}
            {% endfor %}
            {% do shown.append(values | join(', ')) %}
        {% endfor %}
        {% do log(
            'warning: ' ~ test.name ~ ': ' ~ shown[:5] | join('; ')
            ~ ('; and more' if shown | length > 5 else '')
            ~ '. List the rows: dbt show --limit -1 --select ' ~ test.name,
            info=true
        ) %}
    {% endfor %}
{% endmacro %}
