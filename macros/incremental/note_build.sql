{# Returns the last statement in the transaction of an incremental model's build, which
   notes it. Another build may have made the table anew while this one waited: what adds
   to a table is of the table's generation, whatever the plan knew. #}
{% macro note_build() -%}
{%- if execute and model.config.materialized == 'incremental' and keeps_notes() -%}
{%- set plan = plan_of_build() -%}
{%- set notes = notes_of(model.name) -%}
{%- if plan.is_partial -%}
{{ void_build(model.name, 'it was built of no rows, or of some') if not plan.adds }}
{%- else -%}
insert into {{ notes }} (number, generation, code, inputs, built_through)
select
    {{ 'number' if plan.adds else 'coalesce(max(number), 0)' }} + 1,
    {{ 'generation' if plan.adds else "'%s'" % invocation_id }},
    '{{ plan.code }}',
    '{{ plan.inputs }}',
    cast({{ "'%s'" % plan.built_through if plan.built_through else 'null' }} as timestamp)
from {{ notes }}
{{ 'where number = (select max(number) from %s)' % notes if plan.adds }}
{%- endif -%}
{%- endif -%}
{%- endmacro %}
