{# Returns nothing. Logs the word `difference` and a JSON object for each pair of
   tables: row counts, changed columns and examples. A pair has the table's name, its
   key columns, and the relations `before` (none for a new table) and `after`. Rows are
   compared value by value, and null equals null. `loaded_at` is not compared, because
   it depends on the load and not on the data. #}
{% macro compare_builds(pairs) %}
    {% for pair in pairs %}
        {% set is_new = pair.before is none %}
        {% set before = none if is_new else api.Relation.create(**pair.before) %}
        {% set after = api.Relation.create(**pair.after) %}
        {% set types_before = {} if is_new else compare_builds__types(before) %}
        {% set types_after = compare_builds__types(after) %}
        {% set compared = [] %}
        {% for name, type in types_after.items() %}
            {% if types_before.get(name) == type
                and name != 'loaded_at' and name not in pair.key %}
                {% do compared.append(name) %}
            {% endif %}
        {% endfor %}
        {% set found = run_query(
            compare_builds__sql(before, after, pair.key, compared)
        ).rows[0] %}
        {% set columns = {} %}
        {% for name in compared if pair.key and not is_new %}
            {% if found['changed_' ~ loop.index0] %}
                {% do columns.update({name: {
                    'changed': found['changed_' ~ loop.index0] | int,
                    'examples': compare_builds__examples(
                        before, after, pair.key, name
                    ),
                }}) %}
            {% endif %}
        {% endfor %}
        {% do log('difference ' ~ tojson({
            'table': pair.table,
            'key': pair.key,
            'before': found.row_count_before | int,
            'after': found.row_count_after | int,
            'added': found.added_count | int if pair.key and not is_new else none,
            'gone': found.gone_count | int if pair.key and not is_new else none,
            'changed': found.changed_count | int if pair.key and not is_new else none,
            'columns': columns,
            'types_before': types_before,
            'types_after': types_after,
        })) %}
    {% endfor %}
{% endmacro %}

{% macro compare_builds__types(relation) %}
    {% set types = {} %}
    {% for column in adapter.get_columns_in_relation(relation) %}
        {% do types.update({column.name: column.data_type}) %}
    {% endfor %}
    {{ return(types) }}
{% endmacro %}

{% macro compare_builds__sql(before, after, key, compared) %}
{% if before is none %}
select
    0 as row_count_before,
    count(*) as row_count_after
from {{ after }}
{% elif not key %}
select
    (select count(*) from {{ before }}) as row_count_before,
    (select count(*) from {{ after }}) as row_count_after
{% else %}
{% set differences = [] %}
{% for name in compared %}
    {% do differences.append(compare_builds__differs(name)) %}
{% endfor %}
with
rows_before as (select *, 1 as is_there from {{ before }}),
rows_after as (select *, 1 as is_there from {{ after }}),
pairs as (
    select
        rows_before.is_there as was_there,
        rows_after.is_there as is_there
        {% for difference in differences %},
        case
            when rows_before.is_there = rows_after.is_there and ({{ difference }})
                then 1
            else 0
        end as differs_{{ loop.index0 }}
        {% endfor %}
    from rows_before
    full outer join rows_after
        on {{ compare_builds__same_key(key) }}
)
select
    count(was_there) as row_count_before,
    count(is_there) as row_count_after,
    sum(case when was_there is null then 1 else 0 end) as added_count,
    sum(case when is_there is null then 1 else 0 end) as gone_count,
    sum(
        case
            when 0
                {%- for _ in differences %} + differs_{{ loop.index0 }}{% endfor %} > 0
                then 1
            else 0
        end
    ) as changed_count
    {% for _ in differences %},
    sum(differs_{{ loop.index0 }}) as changed_{{ loop.index0 }}
    {% endfor %}
from pairs
{% endif %}
{% endmacro %}

{% macro compare_builds__differs(name) -%}
{{ "rows_before.%s != rows_after.%s"
    " or (rows_before.%s is null and rows_after.%s is not null)"
    " or (rows_before.%s is not null and rows_after.%s is null)"
    | replace('%s', adapter.quote(name)) }}
{%- endmacro %}

{% macro compare_builds__same_key(key) -%}
{%- for name in key -%}
{{ ' and ' if not loop.first -}}
rows_before.{{ adapter.quote(name) }} = rows_after.{{ adapter.quote(name) }}
{%- endfor -%}
{%- endmacro %}

{# Returns the first rows by key in which a column differs: key and both values. #}
{% macro compare_builds__examples(before, after, key, name) %}
    {% set keys = [] %}
    {% for column in key %}
        {% do keys.append('rows_after.' ~ adapter.quote(column)) %}
    {% endfor %}
    {% set sql %}
        with
        rows_before as (select * from {{ before }}),
        rows_after as (select * from {{ after }})
        select
            {% for column in keys %}
            cast({{ column }} as {{ dbt.type_string() }}) as key_{{ loop.index0 }},
            {% endfor %}
            cast(rows_before.{{ adapter.quote(name) }} as {{ dbt.type_string() }})
                as value_before,
            cast(rows_after.{{ adapter.quote(name) }} as {{ dbt.type_string() }})
                as value_after
        from rows_before
        inner join rows_after on {{ compare_builds__same_key(key) }}
        where {{ compare_builds__differs(name) }}
        order by {{ keys | join(', ') }}
        limit 3
    {% endset %}
    {% set examples = [] %}
    {% for row in run_query(sql).rows %}
        {% set values = row.values() | list %}
        {% do examples.append({
            'key': values[:-2] | join(', '),
            'before': values[-2],
            'after': values[-1],
        }) %}
    {% endfor %}
    {{ return(examples) }}
{% endmacro %}
