{# Returns the text of a column decoded if it is, as a whole, UTF-8 encoded twice, else
   null. It works on the bytes in hex: every engine can match and replace ASCII, while
   their decoders fail in different ways on bytes that are not valid. Byte x of the
   text, from c0 on, is c3 83 c2 x-40 in a text encoded twice, and from 80 to bf c3 82
   c2 x. The pattern is the table of well-formed UTF-8 (Unicode, table 3-7) in that
   form. #}
{% macro repaired_text(column) -%}
{%- set any = ' c3 82 c2 [89ab][0-9a-f]' -%}
{%- set twice_encoded = '^(' ~ [
    ' [0-7][0-9a-f]',
    ' c3 83 c2 (8[2-9a-f]|9[0-9a-f])' ~ any,
    ' c3 83 c2 a0 c3 82 c2 [ab][0-9a-f]' ~ any,
    ' c3 83 c2 a[1-9abcef]' ~ any ~ any,
    ' c3 83 c2 ad c3 82 c2 [89][0-9a-f]' ~ any,
    ' c3 83 c2 b0 c3 82 c2 [9ab][0-9a-f]' ~ any ~ any,
    ' c3 83 c2 b[123]' ~ any ~ any ~ any,
    ' c3 83 c2 b4 c3 82 c2 8[0-9a-f]' ~ any ~ any,
] | join('|') ~ ')+$' -%}
{%- set bytes = hex_of_text(column) -%}
{%- set decoded = namespace(bytes=bytes) -%}
{%- for encoded, byte in [
    (' c3 83 c2 8', ' c'),
    (' c3 83 c2 9', ' d'),
    (' c3 83 c2 a', ' e'),
    (' c3 83 c2 b', ' f'),
    (' c3 82 c2 ', ' '),
] -%}
{%- set replaced = [decoded.bytes, "'" ~ encoded ~ "'", "'" ~ byte ~ "'"] -%}
{%- set decoded.bytes = 'replace(' ~ replaced | join(', ') ~ ')' -%}
{%- endfor -%}
case
    when
        {{ column }} like '%Ã%'
        and {{ matches_pattern(bytes, twice_encoded) }}
        then {{ text_of_hex(decoded.bytes) }}
end
{%- endmacro %}
