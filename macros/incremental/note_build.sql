{# Returns the last statement in the transaction of an incremental model's build. It
   inserts the build note. An incremental run copies the generation from the latest
   note, because another build may have refreshed the table while this build waited. #}
{% macro note_build() -%}
{%- if notes_this_build() -%}
{%- set plan = plan_of_build() -%}
{%- set notes = notes_of(model.name) -%}
{%- if plan.is_partial -%}
{%- if not plan.adds %}
{{ void_build(model.name, 'its last build read no rows (--empty) or a sample') }}
{%- endif %}
{%- elif not plan.adds -%}
{{ add_note(model.name, plan.code, plan.inputs, plan.built_through) }}
{%- else -%}
insert into {{ notes }} (number, generation, code, inputs, built_through)
select
    number + 1,
    generation,
    '{{ plan.code }}',
    {{ text_literal(plan.inputs) }},
    cast({{ text_literal(plan.built_through) if plan.built_through else 'null' }}
        as timestamp)
from {{ notes }}
where number = (select max(number) from {{ notes }})
{%- endif -%}
{%- endif -%}
{%- endmacro %}
