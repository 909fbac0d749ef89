{# Returns the statement that serialises the builds of one model: it locks the model's
   table of notes until the transaction ends. Readers of the model do not wait. Empty
   where a database has one writer. #}
{% macro lock_for_writing(notes) -%}
{{ adapter.dispatch('lock_for_writing')(notes) }}
{%- endmacro %}

{% macro default__lock_for_writing(notes) %}{% endmacro %}

{% macro postgres__lock_for_writing(notes) -%}
lock table {{ notes }} in exclusive mode
{%- endmacro %}

{# The first statement of the transaction, before its snapshot is taken: so the build
   sees what another build wrote. #}
{% macro redshift__lock_for_writing(notes) -%}
lock {{ notes }}
{%- endmacro %}
