{# Returns the statements of the strategy `replace_changed`: rows go whose key is that
   of an event that changed or of a row made anew, and the rows made anew come in. A row
   goes without another in its place where its event is no longer what it was. #}
{% macro get_incremental_replace_changed_sql(arguments) %}
{%- set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) -%}
{%- set key = arguments.unique_key -%}
delete from {{ arguments.target_relation }}
where {{ key }} in (
    select {{ key }} from {{ arguments.temp_relation }}
    union all
    select {{ key }} from {{ ref('int_event_versions') }}
    where loaded_at > {{ watermark() }} and {{ key }} is not null
);

insert into {{ arguments.target_relation }} ({{ columns }})
select {{ columns }} from {{ arguments.temp_relation }}
{% endmacro %}
