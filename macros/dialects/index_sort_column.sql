{# Returns the statement that indexes a relation on its sort column, empty where the
   engine has no such index. What one engine sorts by, another finds by an index. #}
{% macro index_sort_column(relation) -%}
{{ adapter.dispatch('index_sort_column')(relation) }}
{%- endmacro %}

{% macro default__index_sort_column(relation) %}{% endmacro %}

{# A table that is only added to has its index already. #}
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

{# It takes the forms of its ancestor for its own, and has no indexes. #}
{% macro redshift__index_sort_column(relation) %}{% endmacro %}
