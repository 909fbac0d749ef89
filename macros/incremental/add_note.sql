{# Returns the statement that inserts a build note with a new generation. `code`,
   `inputs` and `built_through` are described in prepare_notes. #}
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
