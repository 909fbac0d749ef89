{# Returns the rows of a table that a test reads: all rows, or only rows whose key has a
   row that was loaded since the tests last passed (see tested_through). These keys are
   the column `arriving_key` of the table `arrivals`. The defaults are `key` and the
   table itself. #}
{% macro untested_rows(relation, key, arrivals=none, arriving_key=none) -%}
{%- set through = tested_through() -%}
{%- if through is none -%}
{{ relation }}
{%- else -%}
(
    select * from {{ relation }}
    where {{ key }} in (
        select {{ arriving_key or key }} from {{ arrivals or relation }}
        where loaded_at > '{{ through }}'
    )
) as untested_rows
{%- endif -%}
{%- endmacro %}
