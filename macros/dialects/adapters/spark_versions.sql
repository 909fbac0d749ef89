{# How a table is built in a lake, where nothing is updated in place: docs/decisions/0007.
   Its rows go into a table of their own, a version, which appears when it is whole. Then
   the table that people read is pointed at the version's files: one change in the
   catalogue. The version before is kept for who is reading it. #}

{% materialization table, adapter = 'spark' %}
    {% set relation = this.incorporate(type='table') %}
    {{ run_hooks(pre_hooks) }}
    {% do spark__write_version(relation, sql) %}
    {% do spark__show_version(relation) %}
    {% do apply_grants(relation, config.get('grants'), should_revoke=true) %}
    {% do persist_docs(relation, model) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}

{# Returns the table that this run writes a relation's rows into. #}
{% macro spark__version_of(relation) %}
    {{ return(api.Relation.create(
        schema=relation.schema ~ '_versions',
        identifier=relation.identifier ~ '__' ~ run_started_at.strftime('%Y%m%dt%H%M%S%f'),
        type='table'
    )) }}
{% endmacro %}

{# Writes rows into a new version: in files of a good size, sorted by the sort column. A
   table that is sorted by time is partitioned by its year and month. #}
{% macro spark__write_version(relation, rows_sql) %}
    {% set version = spark__version_of(relation) %}
    {% set sort = config.get('sort') %}
    {% set by_month = sort == 'start_time' %}
    {% set partitions = ['start_year', 'start_month'] if by_month else [] %}
    {% if config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(rows_sql) }}
    {% endif %}
    {% do run_query('create schema if not exists ' ~ version.schema) %}
    {% do adapter.drop_relation(version) %}
    {% call statement('main') %}
        create table {{ version }}
        using parquet
        {% if by_month %}partitioned by ({{ partitions | join(', ') }}){% endif %}
        as
        with
        made as (
            {{ rows_sql }}
        ),
        spread as (
            select /*+ rebalance{{ '(start_year, start_month)' if by_month }} */ *
            {%- if by_month %},
                year({{ sort }}) as start_year,
                month({{ sort }}) as start_month
            {%- endif %}
            from made
        )
        select * from spread
        {% if sort %}sort by {{ (partitions + [sort]) | join(', ') }}{% endif %}
    {% endcall %}
{% endmacro %}

{# Points a relation at this run's version, and drops the versions before the last. #}
{% macro spark__show_version(relation) %}
    {% set version = spark__version_of(relation) %}
    {% set shown = load_relation(relation) %}
    {% set place = spark__location_of(version) %}
    {% if shown is not none and shown.type == 'table' and
        adapter.get_columns_in_relation(shown) | map(attribute='dtype') | list
        == adapter.get_columns_in_relation(version) | map(attribute='dtype') | list and
        adapter.get_columns_in_relation(shown) | map(attribute='name') | list
        == adapter.get_columns_in_relation(version) | map(attribute='name') | list %}
        {% do run_query("alter table %s set location '%s'" % (relation, place)) %}
        {% do run_query('refresh table %s' % relation) %}
    {% else %}
        {% if shown is not none %}{% do adapter.drop_relation(shown) %}{% endif %}
        {% do run_query(
            "create table %s using parquet location '%s'" % (relation, place)
        ) %}
    {% endif %}
    {% set mine = [] %}
    {% for row in run_query('show tables in ' ~ version.schema).rows %}
        {% if row[1].rpartition('__')[0] == relation.identifier %}
            {% do mine.append(row[1]) %}
        {% endif %}
    {% endfor %}
    {% for old in (mine | sort)[:-2] %}
        {% do run_query('drop table %s.%s' % (version.schema, old)) %}
    {% endfor %}
{% endmacro %}

{# Returns where the files of a table lie, quoted for a literal. #}
{% macro spark__location_of(relation) %}
    {% for row in run_query('describe extended %s' % relation).rows %}
        {% if row[0] == 'Location' %}
            {{ return(row[1] | replace('\\', '\\\\') | replace("'", "\\'")) }}
        {% endif %}
    {% endfor %}
{% endmacro %}
