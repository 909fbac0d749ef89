{# Returns rows whose text is not a known value, as a warning. A source may send new
   values at any time, and they must not stop a build. #}
{% test known_values(model, column_name, values) %}

{{ config(severity = 'warn') }}

select * from {{ model }}

where {{ column_name }} not in ('{{ values | join("', '") }}')

{% endtest %}
