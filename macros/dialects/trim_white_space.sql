{# Returns text without white space at its ends: Unicode's White_Space, U+200B and
   U+FEFF (docs/decisions/0002). A plain trim() only removes blanks. Engines have
   different functions to write characters by their code points. #}
{% macro trim_white_space(text) -%}
{%- set code_points = [9, 10, 11, 12, 13, 32, 133, 160, 5760]
    + range(8192, 8204) | list + [8232, 8233, 8239, 8287, 12288, 65279] -%}
{{ adapter.dispatch('trim_white_space')(text, code_points) }}
{%- endmacro %}

{% macro default__trim_white_space(text, code_points) -%}
btrim(
    {{ text }},
    E'{% for point in code_points %}{{ "\\u%04x" | format(point) }}{% endfor %}'
)
{%- endmacro %}

{# Nearly all text begins and ends with visible ASCII, which needs no trimming. A
   pattern takes six times as long. trim() with so many characters is even slower. #}
{% macro duckdb__trim_white_space(text, code_points) -%}
{%- set class -%}
[{% for point in code_points %}{{ "\\x{%x}" | format(point) }}{% endfor %}]
{%- endset -%}
case
    when
        ({{ text }})[1] between '!' and '~' and ({{ text }})[-1] between '!' and '~'
        then {{ text }}
    else regexp_replace({{ text }}, '^{{ class }}+|{{ class }}+$', '', 'g')
end
{%- endmacro %}

{# chr is documented for ASCII only. #}
{% macro redshift__trim_white_space(text, code_points) -%}
{%- set bytes -%}
'{% for point in code_points %}{{ ("%c" | format(point)).encode().hex() }}{% endfor %}'
{%- endset -%}
btrim({{ text }}, {{ text_of_hex(bytes) }})
{%- endmacro %}

{% macro spark__trim_white_space(text, code_points) -%}
trim(
    both '{% for point in code_points %}{{ "\\u%04x" | format(point) }}{% endfor %}'
    from {{ text }}
)
{%- endmacro %}
