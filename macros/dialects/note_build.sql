{# Returns the statement that adds a row to int_builds, out of what build_at_hand()
   gives. Where it is more than one statement, it is run at once. #}
{% macro note_build(build) %}
    {{- adapter.dispatch('note_build')(build) -}}
{% endmacro %}

{% macro default__note_build(build) -%}
insert into {{ table_of('int_builds') }}
    (model_name, generation, code, inputs, built_through, built_at)
{{ row_of_build(build) }}
{%- endmacro %}

{% macro spark__note_build(build) %}
    {% do spark__write_note(build) %}
{% endmacro %}
