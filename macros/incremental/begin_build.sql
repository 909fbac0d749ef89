{# Returns the first statement in the transaction of an incremental model's build. It
   waits for other builds of the model. Prints the reason of a full refresh. #}
{% macro begin_build() -%}
{%- if notes_this_build() -%}
{%- set plan = plan_of_build() -%}
{%- if plan.last and plan.reason and not plan.adds and not flags.FULL_REFRESH -%}
{%- do print(model.name ~ ': full refresh, because ' ~ plan.reason ~ '.') -%}
{%- endif -%}
{{ lock_for_writing(notes_of(model.name)) }}
{%- endif -%}
{%- endmacro %}
