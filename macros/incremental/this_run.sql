{# Returns the moment at which this run of dbt started, in UTC, as text. #}
{% macro this_run() -%}
{{ return(run_started_at.replace(tzinfo=none) | string) }}
{%- endmacro %}
