{# Returns the statement that notes in int_builds how far the model at hand is built. As
   a pre-hook it is part of the model's transaction, and claims no load that comes while
   the model is built. Nothing for a model that keeps no builds, or where there are no
   transactions. #}
{% macro record_build() %}
{%- if keeps_builds() -%}
{%- do ref('int_builds') -%}
{#- Only a run that adds to the model reads it, which dbt's parser does not see. -#}
{%- do ref('int_event_versions') if model.name != 'int_event_versions' -%}
{%- if execute and has_transactions() -%}
{{ note_build(build_at_hand()) }}
{%- endif -%}
{%- endif -%}
{% endmacro %}
