{# How Spark builds a table (docs/decisions/0007). A lake of plain Parquet has no
   transactions: a build writes all rows into a new table of the schema
   `<schema>_versions`, and then one change of a view shows it. #}

{% materialization table, adapter = 'spark' %}
    {% if spark__table_format() != 'parquet' %}
        {{ return(dbt.materialization_table_spark()) }}
    {% endif %}
    {{ return(spark__build_version()) }}
{% endmaterialization %}

{# A table that is rebuilt is noted after that, not with it. If the run is killed in
   between, what is built from the table must know, so its next build is a full one. #}
{% materialization incremental, adapter = 'spark' %}
    {% if spark__table_format() != 'parquet' %}
        {% if not plan_of_build().adds %}
            {% do run_query(void_build(model.name, 'its rebuild was stopped')) %}
        {% endif %}
        {{ return(dbt.materialization_incremental_spark()) }}
    {% endif %}
    {{ return(spark__build_version()) }}
{% endmaterialization %}

{# A version is named for the run that wrote it. The version before is kept for its
   readers. Older versions are dropped, and so are those that killed runs left. A run at
   the same time is younger than the version before, so its version stays. #}
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

{# Returns a version of the model at hand, by its name. #}
{% macro spark__version(name) %}
    {{ return(api.Relation.create(
        schema=this.schema ~ '_versions', identifier=name, type='table'
    )) }}
{% endmacro %}
