{# Returns the statement that makes a model's next build a full refresh. That build
   prints the reason. #}
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
