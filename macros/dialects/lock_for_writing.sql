{# Returns the statement that serializes builds of one model: it locks the model's table
   of notes until the transaction ends. Readers of the model do not wait. Empty on
   engines with a single writer. #}
{% macro lock_for_writing(notes) -%}
{{ adapter.dispatch('lock_for_writing')(notes) }}
{%- endmacro %}

{% macro default__lock_for_writing(notes) %}{% endmacro %}

{% macro postgres__lock_for_writing(notes) -%}
lock table {{ notes }} in exclusive mode
{%- endmacro %}

{# This is the first statement of the transaction. The snapshot is taken after the lock,
   so the build sees the rows of the previous build. #}
{% macro redshift__lock_for_writing(notes) -%}
lock {{ notes }}
{%- endmacro %}
