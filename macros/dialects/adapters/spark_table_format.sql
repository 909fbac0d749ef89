{# Returns the table format on Spark, from the variable SPARKIFY_TABLE_FORMAT. Raises a
   compiler error for an unknown format. #}
{% macro spark__table_format() %}
    {% set format = env_var('SPARKIFY_TABLE_FORMAT', 'parquet') %}
    {% if format not in ('parquet', 'iceberg', 'delta') %}
        {% do exceptions.raise_compiler_error(
            "SPARKIFY_TABLE_FORMAT must be parquet, iceberg or delta, not '"
            ~ format ~ "'."
        ) %}
    {% endif %}
    {{ return(format) }}
{% endmacro %}

{# Returns the incremental strategy for a format with transactions. Replaces dbt-spark's
   macro of this name, which rejects custom strategies. #}
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) %}
    {{ return('merge') }}
{% endmacro %}

{# Returns the strategy `replace_changed` as one MERGE statement. It deletes the rows of
   changed keys and inserts the new rows, which match no row. #}
{% macro spark__get_merge_sql(target, source, key, dest_columns, predicates) %}
{%- if plan_of_build().is_partial %}{{ return('select 1 as nothing') }}{% endif -%}
{%- set columns = adapter.get_columns_in_relation(target) | map(attribute='quoted') -%}
{%- set names = columns | join(', ') -%}
merge into {{ target }} as kept
using (
    select {{ names }}, null as changed_key from {{ source }}
    union all
    select distinct
        {% for _ in names.split(', ') %}null, {% endfor %}{{ key }}
    from ({{ changed_keys(source, key, key) }}) as changed
) as made
on kept.{{ key }} = made.changed_key
when matched then delete
when not matched and made.changed_key is null
    then insert ({{ names }}) values ({{ names }})
{% endmacro %}
