{# Returns the latest build note of each model in `names`, by name, read in one query.
   A model without notes is left out. #}
{% macro last_builds(names) %}
    {% set notes = [] %}
    {% for name in names if keeps_notes() and load_relation(notes_of(name)) %}
        {% set table = notes_of(name) %}
        {% set latest %}
            select '{{ name }}' as name, generation, code, inputs, built_through
            from {{ table }}
            where number = (select max(number) from {{ table }})
        {% endset %}
        {% do notes.append(latest) %}
    {% endfor %}
    {% set found = {} %}
    {% for row in run_query(notes | join(' union all ')).rows if notes %}
        {% do found.update({row.name: row}) %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}
