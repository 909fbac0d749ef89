{# Returns the rows that a test per session reads: all rows, or the rows of sessions
   with raw events that were loaded since the tests last passed (see untested_rows). #}
{% macro rows_of_untested_sessions(relation, key='session_id') -%}
{{ untested_rows(relation, key, source('raw', 'staging_events'), 'sessionid') }}
{%- endmacro %}
