{# Warns of rows whose text is not a known one, and returns these rows: what a source
   sends may change any day, and must not stop a build. #}
{% test known_values(model, column_name, values) %}

{{ config(severity = 'warn') }}

select * from {{ model }}

where {{ column_name }} not in ('{{ values | join("', '") }}')

{% endtest %}
