{# Returns the statements that drop the keys of the project's tables before the first
   write of a run. Keys may be false while tables are written, and no test must be
   answered from them. declare_keys declares them again at the end of a build. #}
{% macro drop_keys() -%}
{{ adapter.dispatch('drop_keys')() }}
{%- endmacro %}

{% macro default__drop_keys() %}{% endmacro %}

{# Foreign keys are dropped first. Then a table can be dropped without CASCADE, which
   would wait for readers of the other tables. #}
{% macro redshift__drop_keys() -%}
{%- set statements = [] -%}
{%- for key in (redshift__declared_keys() if writes_tables() else []) -%}
{%- do statements.append(
    'alter table ' ~ key.table ~ ' drop constraint ' ~ adapter.quote(key.name)
    ~ ' cascade'
) -%}
{%- endfor -%}
{{ statements | join(';\n') }}
{%- endmacro %}
