{# Returns the statement that makes a model's next build a full refresh. That build
   prints the reason. #}
{% macro void_build(name, reason) -%}
{{ add_note(name, 'void', reason) }}
{%- endmacro %}
