{# Builds a table on Spark (docs/decisions/0007). A Parquet lake has no transactions. A
   build writes all rows to a new table in the schema `<schema>_versions`, and then
   points a view at it. #}

{% materialization table, adapter = 'spark' %}
    {% if spark__table_format() != 'parquet' %}
        {{ return(dbt.materialization_table_spark()) }}
    {% endif %}
    {{ return(spark__build_version()) }}
{% endmaterialization %}

{# The build note is not written in the same transaction as the table. If the run is
   killed in between, the next build must be a full refresh. #}
{% materialization incremental, adapter = 'spark' %}
    {% if spark__table_format() != 'parquet' %}
        {% if not plan_of_build().adds %}
            {% do run_query(void_build(model.name, 'its rebuild was stopped')) %}
        {% endif %}
        {{ return(dbt.materialization_incremental_spark()) }}
    {% endif %}
    {{ return(spark__build_version()) }}
{% endmaterialization %}

{# A version is named after the start of the run that wrote it. The previous version is
   kept for open readers. Older versions are dropped, including those of killed runs.
   The version of a concurrent run is newer than the previous version, so it is kept. #}
{% macro spark__build_version() %}
    {% set shown = load_relation(this) %}
    {% set name = this.identifier ~ run_started_at.strftime('__%Y%m%dt%H%M%S%f') %}
    {% set version = spark__version(name) %}
    {{ run_hooks(pre_hooks) }}
    {% if config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(sql) }}
    {% endif %}
    {% do run_query('create schema if not exists ' ~ version.schema) %}
    {% call statement('main') %}
        create table {{ version }} using parquet as
        select /*+ rebalance */ * from (
            {{ sql }}
        )
        {% if config.get('sort') %}sort by {{ config.get('sort') }}{% endif %}
    {% endcall %}
    {% set view = '%s as select * from %s' % (this, version) %}
    {% if shown and shown.is_view %}
        {% do run_query('alter view ' ~ view) %}
    {% else %}
        {% if shown %}{% do adapter.drop_relation(shown) %}{% endif %}
        {% do run_query('create view ' ~ view) %}
    {% endif %}
    {% set named = this.identifier ~ '__\\d{8}t\\d{12}' %}
    {% set before = modules.re.findall(named, shown.information or '') if shown %}
    {% set oldest = ((before or []) + [name]) | min %}
    {% for row in run_query('show tables in ' ~ version.schema).rows %}
        {% if modules.re.fullmatch(named, row[1]) and row[1] < oldest %}
            {% do adapter.drop_relation(spark__version(row[1])) %}
        {% endif %}
    {% endfor %}
    {% set relation = this.incorporate(type='view') %}
    {% do apply_grants(relation, config.get('grants'), should_revoke=true) %}
    {% do persist_docs(relation, model) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [relation]}) }}
{% endmacro %}

{# Returns a version of the current model by its name. #}
{% macro spark__version(name) %}
    {{ return(api.Relation.create(
        schema=this.schema ~ '_versions', identifier=name, type='table'
    )) }}
{% endmacro %}
