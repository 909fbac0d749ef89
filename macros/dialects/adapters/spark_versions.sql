{# How a table is built in a lake, where nothing is updated in place: docs/decisions/0007.
   Its rows lie in a store, a table of the schema `analytics_versions`, in parts: a part
   has the rows of one month, or all of them, as one run wrote them, and never changes.
   What people read is a view that names the parts which count now. A run writes new
   parts, unseen, and then changes the view: one change in the catalogue. #}

{% materialization table, adapter = 'spark' %}
    {{ return(spark__build_version()) }}
{% endmaterialization %}

{% materialization incremental, adapter = 'spark' %}
    {{ return(spark__build_version()) }}
{% endmaterialization %}

{% macro spark__build_version() %}
    {% set shown = load_relation(this) %}
    {% set adds = is_incremental() %}
    {% set before = spark__version_shown(this) if shown and shown.is_view %}
    {{ run_hooks(pre_hooks) }}
    {% if config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(sql) }}
    {% endif %}
    {% set now = spark__write_changes(before, sql) if adds else spark__write_all(sql) %}
    {% if now != before %}{% do spark__show_version(shown, now) %}{% endif %}
    {% if now != before %}{% do spark__drop_versions(before, now) %}{% endif %}
    {% set relation = this.incorporate(type='view') %}
    {% do apply_grants(relation, config.get('grants'), should_revoke=true) %}
    {% do persist_docs(relation, model) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [relation]}) }}
{% endmacro %}

{# Returns what names a version that this run writes. #}
{% macro spark__version_at_hand() %}
    {{ return(run_started_at.strftime('%Y%m%dt%H%M%S%f')) }}
{% endmacro %}

{# Returns a store, by its name, of the model at hand or of another view. #}
{% macro spark__store(name, view=none) %}
    {{ return(api.Relation.create(
        schema=(view or this).schema ~ '_versions', identifier=name, type='table'
    )) }}
{% endmacro %}

{# Returns the columns that split a table into months: of its sort column, if that is a
   moment. A table to which rows are only added is small. #}
{% macro spark__months() %}
    {% set sort = config.get('sort') %}
    {% if (model.columns.get(sort) or {}).get('data_type') != 'timestamp'
        or config.get('incremental_strategy') == 'append' %}
        {{ return([]) }}
    {% endif %}
    {% set of = sort.rpartition('_')[0] %}
    {{ return([of ~ '_year', of ~ '_month']) }}
{% endmacro %}

{# Returns, as the columns that split a table into months, the month of a row. #}
{% macro spark__month(months) %}
    {%- for name in months %}
        {%- set part = name.rpartition('_')[2] -%}
        coalesce({{ part }}({{ config.get('sort') }}), 0) as {{ name }}
        {{- ', ' if not loop.last }}
    {%- endfor -%}
{% endmacro %}

{# Returns the version that a view shows: its store and its parts, which are lists of a
   run, a year and a month, as text. None if it shows no version. #}
{% macro spark__version_shown(view) %}
    {% for row in run_query('describe extended %s' % view).rows %}
        {% if row[0] == 'View Text' %}
            {% set store = modules.re.search('_versions[.](\\w+)', row[1]) %}
            {% set parts = modules.re.findall(
                "'(\\w+)%?'(?:, (\\d+), (\\d+))?", row[1]
            ) %}
            {% if store %}{{ return({
                'store': store.group(1),
                'parts': parts | map('select') | map('list') | list,
            }) }}{% endif %}
        {% endif %}
    {% endfor %}
{% endmacro %}

{# Returns the parts that a store has. #}
{% macro spark__parts(store) %}
    {% set parts = [] %}
    {% for row in run_query('show partitions %s' % store).rows %}
        {% do parts.append(modules.re.findall('=(\\w+)', row[0])) %}
    {% endfor %}
    {{ return(parts) }}
{% endmacro %}

{# Returns a query for rows with the columns that split them into months, in files of a
   good size, sorted by the sort column. #}
{% macro spark__spread(rows_sql) %}
{%- set sort = config.get('sort') -%}
{%- set months = spark__months() -%}
with
made as (
    {{ rows_sql }}
),
spread as (
    select /*+ rebalance{{ '(%s)' % (months | join(', ')) if months }} */ *
    {%- if months %},
        {{ spark__month(months) }}
    {%- endif %}
    from made
)
select * from spread
{% if sort %}sort by {{ (months + [sort]) | join(', ') }}{% endif %}
{% endmacro %}

{# Writes all rows into a store of their own, and returns the version of them. #}
{% macro spark__write_all(rows_sql) %}
    {% set version = spark__version_at_hand() %}
    {% set store = spark__store(this.identifier ~ '__' ~ version) %}
    {% set with_version -%}
        select *, '{{ version }}' as version from ({{ rows_sql }})
    {%- endset %}
    {% do run_query('create schema if not exists ' ~ store.schema) %}
    {% do adapter.drop_relation(store) %}
    {% call statement('main') %}
        create table {{ store }}
        using parquet
        partitioned by ({{ (['version'] + spark__months()) | join(', ') }})
        as
        {{ spark__spread(with_version) }}
    {% endcall %}
    {{ return({'store': store.identifier, 'parts': spark__parts(store)}) }}
{% endmacro %}

{# Writes the parts that changed rows touch: where they lie, and where rows lie that
   they replace. Returns the version with these parts in the place of those before. #}
{% macro spark__write_changes(before, changes_sql) %}
    {% set version = spark__version_at_hand() %}
    {% set store = spark__store(before.store) %}
    {% set months = spark__months() %}
    {% set changes = spark__store(this.identifier ~ '__changes') %}
    {% do adapter.drop_relation(changes) %}
    {% call statement('main') %}
        create table {{ changes }} using parquet as {{ changes_sql }}
    {% endcall %}
    {% set columns = adapter.get_columns_in_relation(changes)
        | map(attribute='name') | list %}
    {% set known = adapter.get_columns_in_relation(this)
        | map(attribute='name') | reject('in', months) | list %}
    {% if columns | sort != known | sort %}
        {% do exceptions.raise_compiler_error(
            this.identifier ~ ' has other columns than the table it adds to.'
            ~ ' Build it anew: dbt build --full-refresh --select '
            ~ this.identifier ~ '+'
        ) %}
    {% endif %}
    {% set keys = spark__changed_keys(changes) %}
    {% set names = known | join(', ') %}
    {% set matches -%}
        {% for key in keys.columns -%}
            {{ 'and ' if not loop.first }}kept.{{ key }} = changed_keys.{{ key }}
        {% endfor -%}
    {%- endset %}
    {% set touched_months -%}
        select distinct {{ months | join(', ') or '1' }}
        from (
            select {{ spark__month(months) or '1' }}
            from {{ changes }}
            {% if keys.columns %}
            union all
            select {{ months | join(', ') or '1' }}
            from {{ this }} as kept
            left semi join ({{ keys.sql }}) as changed_keys on {{ matches }}
            {% endif %}
        )
    {%- endset %}
    {% set touched = [] %}
    {% for row in run_query(touched_months).rows %}
        {% do touched.append(row.values() | map('string') | list if months else []) %}
    {% endfor %}
    {% if not touched %}
        {% do adapter.drop_relation(changes) %}
        {{ return(before) }}
    {% endif %}
    {% set rows_sql -%}
        select {{ names }} from {{ this }} as kept
        {% if keys.columns %}
        left anti join ({{ keys.sql }}) as changed_keys on {{ matches }}
        {% endif %}
        {% if months %}
        where ({{ months | join(', ') }}) in ({{ spark__tuples(touched) }})
        {% endif %}
        union all
        select {{ names }} from {{ changes }}
    {%- endset %}
    {% call statement('write_parts') %}
        insert into {{ store }} partition (
            {{ (["version = '%s'" % version] + months) | join(', ') }}
        )
        {{ spark__spread(rows_sql) }}
    {% endcall %}
    {% do adapter.drop_relation(changes) %}
    {% set parts = [] %}
    {% for part in before.parts if part[1:] not in touched %}
        {% do parts.append(part) %}
    {% endfor %}
    {% for part in spark__parts(store) if part[0] == version and part[1:] in touched %}
        {% do parts.append(part) %}
    {% endfor %}
    {{ return({'store': before.store, 'parts': parts}) }}
{% endmacro %}

{# Returns lists of texts as tuples of SQL. #}
{% macro spark__tuples(lists) %}
    {%- for list in lists -%}
        ({{ list | join(', ') }}){{ ', ' if not loop.last }}
    {%- endfor -%}
{% endmacro %}

{# Returns the keys of the rows that a strategy replaces: their columns, and a query. #}
{% macro spark__changed_keys(changes) %}
    {% set strategy = config.get('incremental_strategy') %}
    {% set key = config.get('unique_key') %}
    {% if strategy == 'append' %}
        {{ return({'columns': [], 'sql': ''}) }}
    {% endif %}
    {% set columns = [key] if key is string else key %}
    {% if strategy == 'replace_changed' %}
        {{ return({'columns': columns, 'sql': changed_keys(changes, key, columns | join(', '))}) }}
    {% endif %}
    {{ return({
        'columns': columns, 'sql': 'select %s from %s' % (columns | join(', '), changes)
    }) }}
{% endmacro %}

{# Lets people see a version. Only a table of before is dropped for it. #}
{% macro spark__show_version(shown, version) %}
    {% set months = spark__months() %}
    {% set store = spark__store(version.store) %}
    {% set literals = [] %}
    {% for part in version.parts %}
        {% do literals.append(["'%s'" % part[0]] + part[1:]) %}
    {% endfor %}
    {% set rows -%}
        select {{ adapter.get_columns_in_relation(store)
            | map(attribute='name') | reject('equalto', 'version') | join(', ') }}
        from {{ store }}
        {%- if not literals %}
        where false
        {%- elif months %}
        where (version, {{ months | join(', ') }}) in ({{ spark__tuples(literals) }})
        {%- else %}
        where version like '{{ version.parts[0][0] }}%'
        {%- endif %}
    {%- endset %}
    {% if shown and not shown.is_view %}{% do adapter.drop_relation(shown) %}{% endif %}
    {% if shown and shown.is_view %}
        {% do run_query('alter view %s as %s' % (this, rows)) %}
    {% else %}
        {% do run_query('create view %s as %s' % (this, rows)) %}
    {% endif %}
{% endmacro %}

{# Drops what neither the version that is shown nor the one before has: that one is kept
   for who is reading it. #}
{% macro spark__drop_versions(before, now) %}
    {% set before = before or {'store': '', 'parts': []} %}
    {% set schema = spark__store('').schema %}
    {% set names = "show tables in %s like '%s__*'" % (schema, this.identifier) %}
    {% for row in run_query(names).rows %}
        {% if row[1].rpartition('__')[0] == this.identifier
            and row[1] not in (before.store, now.store) %}
            {% do adapter.drop_relation(spark__store(row[1])) %}
        {% endif %}
    {% endfor %}
    {% set store = spark__store(now.store) %}
    {% set columns = ['version'] + spark__months() %}
    {% set old = [] %}
    {% for part in spark__parts(store) %}
        {% if [part[0].partition('_')[0]] + part[1:] not in before.parts + now.parts %}
            {% set values = ["'%s'" % part[0]] + part[1:] %}
            {% set pairs = [] %}
            {% for name in columns %}
                {% do pairs.append(name ~ ' = ' ~ values[loop.index0]) %}
            {% endfor %}
            {% do old.append('partition (%s)' % (pairs | join(', '))) %}
        {% endif %}
    {% endfor %}
    {% if old %}
        {% do run_query('alter table %s drop %s' % (store, old | join(', '))) %}
    {% endif %}
{% endmacro %}
