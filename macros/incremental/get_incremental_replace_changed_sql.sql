{# Returns the statements of the strategy `replace_changed`. They delete the rows of
   affected keys and insert the new rows. A key without new rows is deleted. If the sort
   column bounds the affected rows, the delete reads only that range
   (docs/decisions/0008). A run with --empty or --sample replaces nothing. #}
{% macro get_incremental_replace_changed_sql(arguments) %}
{%- if plan_of_build().is_partial -%}
select 1 as nothing
{%- else -%}
{%- set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) -%}
{%- set key = arguments.unique_key -%}
{%- set sort = config.get('sort') -%}
{%- set is_bounded = sort == key or config.meta_get('is_bounded_by_sort', false) -%}
{%- set bound = sort if is_bounded else key -%}
{%- set taken = [key, bound] | unique | join(', ') -%}
{%- set changed = changed_keys(arguments.temp_relation, key, taken) -%}
{%- set bounds = run_query(
    'select min(' ~ bound ~ '), max(' ~ bound ~ ') from (' ~ changed ~ ') as changed'
).rows[0] -%}
{%- if bounds[0] is not none %}
delete from {{ arguments.target_relation }}
where {{ key }} in (select {{ key }} from ({{ changed }}) as changed)
{%- if is_bounded %}
and {{ sort }} between {{ text_literal(bounds[0]) }} and {{ text_literal(bounds[1]) }}
{%- endif %};
{% endif %}
insert into {{ arguments.target_relation }} ({{ columns }})
select {{ columns }} from {{ arguments.temp_relation }}
{%- endif -%}
{% endmacro %}
