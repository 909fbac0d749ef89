{# Returns the statement that notes in int_builds how far the model at hand is built. As
   a pre-hook it is part of the model's transaction, and claims no load that comes while
   the model is built. Nothing for a model that keeps no builds, or where there are no
   transactions. #}
{% macro record_build() %}
{%- if keeps_builds() -%}
{%- if execute and has_transactions() -%}
{{ note_build(build_at_hand()) }}
{%- endif -%}
{%- endif -%}
{% endmacro %}
