{# dbt-spark does not escape the values of a seed: null becomes the word None, and a
   quote ends a literal. Here each value is an escaped literal. #}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set sql -%}
        insert into {{ this.render() }} values
        {%- for row in agate_table.rows %}
        {{ '(' if loop.first else ', (' }}
        {%- for column in agate_table.column_names -%}
            {%- set type = types.get(
                column, adapter.convert_type(agate_table, loop.index0)
            ) -%}
            {%- set value = row[loop.index0] -%}
            {%- set text = value | string
                | replace('\\', '\\\\') | replace("'", "\\'") -%}
            cast({{ 'null' if value is none else "'" ~ text ~ "'" }} as {{ type }})
            {{- ', ' if not loop.last }}
        {%- endfor -%}
        )
        {%- endfor %}
    {%- endset -%}
    {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
    {{ return(sql) }}
{%- endmacro %}
