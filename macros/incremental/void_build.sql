{# Returns the statement that makes a model's next build a full refresh, which prints
   the reason. #}
{% macro void_build(name, reason) -%}
{{ add_note(name, 'void', reason) }}
{%- endmacro %}
