{# Fails where a table is empty: every other test passes on nothing. #}
{% test has_rows(model) %}

with

counted as (select count(*) as row_count from {{ model }})

select row_count from counted where row_count = 0

{% endtest %}
