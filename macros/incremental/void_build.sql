{# Returns the statement by which a model's next build is a full one, for a reason that
   it will tell people. #}
{% macro void_build(name, reason) -%}
insert into {{ notes_of(name) }} (number, generation, code, inputs, built_through)
select
    coalesce(max(number), 0) + 1,
    '{{ invocation_id }}',
    'void',
    {{ text_literal(reason) }},
    cast(null as timestamp)
from {{ notes_of(name) }}
{%- endmacro %}
