{# Returns the statement that creates an index on the sort column of a relation, empty
   on engines that sort tables instead. #}
{% macro index_sort_column(relation) -%}
{{ adapter.dispatch('index_sort_column')(relation) }}
{%- endmacro %}

{% macro default__index_sort_column(relation) %}{% endmacro %}

{# After an incremental run, the index already exists. #}
{% macro postgres__index_sort_column(relation) -%}
{%- if config.get('sort') -%}
do $$ begin
    if not exists (
        select from pg_index where indrelid = '{{ relation }}'::regclass
    ) then
        create index on {{ relation }} ({{ adapter.quote(config.get('sort')) }});
    end if;
end $$
{%- endif -%}
{%- endmacro %}

{# Inherits macros from its parent adapter, but has no indexes. #}
{% macro redshift__index_sort_column(relation) %}{% endmacro %}
