{# Returns the statement that adds a note of a new generation to a table of notes:
   `code`, `inputs` and `built_through`, as prepare_notes describes them. #}
{% macro add_note(name, code, inputs, built_through=none) -%}
insert into {{ notes_of(name) }} (number, generation, code, inputs, built_through)
select
    coalesce(max(number), 0) + 1,
    '{{ invocation_id }}',
    '{{ code }}',
    {{ text_literal(inputs) }},
    cast({{ text_literal(built_through) if built_through else 'null' }} as timestamp)
from {{ notes_of(name) }}
{%- endmacro %}
