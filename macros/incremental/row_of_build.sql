{# Returns the query for a row of int_builds, out of what build_at_hand() gives. #}
{% macro row_of_build(build) -%}
select
    cast('{{ build.model_name }}' as varchar(63)) as model_name,
    cast('{{ build.generation }}' as timestamp) as generation,
    cast('{{ build.code }}' as varchar(32)) as code,
    cast('{{ build.inputs }}' as varchar(32)) as inputs,
    cast({{ "'%s'" % build.built_through if build.built_through else 'null' }}
        as timestamp) as built_through,
    cast('{{ build.built_at }}' as timestamp) as built_at
{%- endmacro %}
