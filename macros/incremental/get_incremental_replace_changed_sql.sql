{# Returns the statements of the strategy `replace_changed`: rows go whose key is that
   of an event that changed or of a row made anew, and the rows made anew come in. A row
   goes without another in its place where its event is no longer what it was. Where
   it can be told between which values of the sort column all these rows lie, no others
   are looked at (docs/decisions/0008). #}
{% macro get_incremental_replace_changed_sql(arguments) %}
{%- set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) -%}
{%- set key = arguments.unique_key -%}
{%- set sort = config.get('sort') -%}
{%- set is_bounded = sort == key or (key, sort) == ('songplay_id', 'start_time') -%}
{%- set taken = [key, sort] | unique | join(', ') if is_bounded else key -%}
{%- set changed = changed_keys(arguments.temp_relation, key, taken) -%}
{%- set bounds = run_query(
    'select min(' ~ sort ~ '), max(' ~ sort ~ ') from (' ~ changed ~ ') as changed'
).rows[0] if is_bounded else [none, none] -%}
delete from {{ arguments.target_relation }}
where {{ key }} in (select {{ key }} from ({{ changed }}) as changed)
{%- if bounds[0] is not none %}
and {{ sort }} between '{{ bounds[0] }}' and '{{ bounds[1] }}'
{%- endif %};

insert into {{ arguments.target_relation }} ({{ columns }})
select {{ columns }} from {{ arguments.temp_relation }}
{% endmacro %}
