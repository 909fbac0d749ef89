{# Returns the statements of the strategy `replace_changed`: rows go whose key is that
   of an event that changed or of a row made anew, and the rows made anew come in. A
   row goes without another in its place where its event is no longer what it was.
   Where it can be told between which values of the sort column all these rows lie, no
   others are looked at (docs/decisions/0008); where there are none, no row is looked
   at. A run that reads no rows, or some (--empty, --sample), replaces nothing. #}
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
