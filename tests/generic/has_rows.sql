{# Fails if a table is empty. All other tests pass on an empty table. #}
{% test has_rows(model) %}

with

counted as (select count(*) as row_count from {{ model }})

select row_count from counted where row_count = 0

{% endtest %}
