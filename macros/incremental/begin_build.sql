{# Returns the first statement in the transaction of a model's build: an incremental
   model waits for another build of it. Says why a model is built anew. #}
{% macro begin_build() -%}
{%- if execute and model.config.materialized == 'incremental' and keeps_notes() -%}
{%- set plan = plan_of_build() -%}
{%- if plan.last and plan.reason and not plan.adds and not flags.FULL_REFRESH -%}
{%- do print(model.name ~ ' is built anew: ' ~ plan.reason ~ '.') -%}
{%- endif -%}
{{ lock_for_writing(notes_of(model.name)) }}
{%- endif -%}
{%- endmacro %}
