{# Returns the statement that notes in int_builds how far the model at hand is built. As
   a pre-hook it is part of the model's transaction, and claims no load that comes while
   the model is built. Nothing for a model that keeps no builds. #}
{% macro record_build() %}
{%- if keeps_builds() -%}
{%- set builds = ref('int_builds') -%}
{#- Only a run that adds to the model reads it, which dbt's parser does not see. -#}
{%- do ref('int_event_versions') if model.name != 'int_event_versions' -%}
{%- if execute -%}
{%- set basis = build_basis() -%}
{%- set reached = basis.built_through -%}
{%- set last = last_build(model.name) -%}
{%- set adds = last and is_incremental() -%}
{%- if last and not adds and not flags.FULL_REFRESH -%}
{%- do print(model.name ~ ' is built anew: ' ~ (
    'its SQL, or that of a model before it, changed.' if last.code != basis.code
    else 'its table was gone.' if last.inputs == basis.inputs
    else 'raw records were replaced or dropped, and what was built of them.'
)) -%}
{%- endif -%}
insert into {{ builds }}
    (model_name, generation, code, inputs, built_through, built_at)
values (
    '{{ model.name }}',
    cast('{{ last.generation if adds else this_run() }}' as timestamp),
    '{{ basis.code }}',
    '{{ basis.inputs }}',
    {{ "cast('%s' as timestamp)" % reached if reached else 'null' }},
    cast('{{ this_run() }}' as timestamp)
)
{%- endif -%}
{%- endif -%}
{% endmacro %}
