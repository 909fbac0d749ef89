{# Returns a table's rows as a test is to look at them: all; or where only what
   changed is to be tested (see tested_through), those whose key has a row that was
   loaded since. `arrivals` is the table that this is seen in, by its column
   `arriving_key`: this one and the key, unless another is given. #}
{% macro untested(relation, key, arrivals=none, arriving_key=none) -%}
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
) as untested
{%- endif -%}
{%- endmacro %}
