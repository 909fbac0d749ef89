{# Returns the statement by which a build of a model waits until no other build writes
   the same model, and holds others off until its own transaction ends. Readers do not
   wait. Nothing where a database has one writer anyway. #}
{% macro lock_for_writing(notes) -%}
{{ adapter.dispatch('lock_for_writing')(notes) }}
{%- endmacro %}

{% macro default__lock_for_writing(notes) %}{% endmacro %}

{% macro postgres__lock_for_writing(notes) -%}
lock table {{ notes }} in exclusive mode
{%- endmacro %}

{# As the first statement of the transaction, before its snapshot is taken: what another
   build has written is seen. #}
{% macro redshift__lock_for_writing(notes) -%}
lock {{ notes }}
{%- endmacro %}
