{# Returns the latest note of each of the models named, by the name; a model of which
   none is noted is left out. They are read in one query. #}
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
