{# Returns the rows that a test per session reads: all rows, or the rows of sessions
   with raw events that were loaded since the tests last passed (see untested). #}
{% macro of_untested_sessions(relation, key='session_id') -%}
{{ untested(relation, key, source('raw', 'staging_events'), 'sessionid') }}
{%- endmacro %}
