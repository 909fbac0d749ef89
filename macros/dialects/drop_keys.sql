{# Returns the statements that drop the keys of the project's tables, before the first
   write of a run. A key that was proved is false while tables are written, and no test
   must be answered from it. At the end of a build, declare_keys declares keys again. #}
{% macro drop_keys() -%}
{{ adapter.dispatch('drop_keys')() }}
{%- endmacro %}

{% macro default__drop_keys() %}{% endmacro %}

{# Foreign keys come first, so that nothing depends on a table afterwards: it can be
   dropped without CASCADE, which would have to wait for whoever reads the others. #}
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
