{# Returns a table's rows as a test that goes session by session is to look at them:
   all, or those of sessions of which raw events were loaded since (see untested). #}
{% macro of_untested_sessions(relation, key='session_id') -%}
{{ untested(relation, key, source('raw', 'staging_events'), 'sessionid') }}
{%- endmacro %}
