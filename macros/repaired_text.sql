{# Returns the text of a column decoded, if the whole text is UTF-8 encoded twice,
   otherwise null. It works on bytes in hex, because every engine can match and replace
   ASCII, but their decoders handle invalid bytes differently. In text that is encoded
   twice, byte x from c0 on is c3 83 c2 x-40, and byte x from 80 to bf is c3 82 c2 x.
   The pattern is the table of well-formed UTF-8 (Unicode, table 3-7) in that form.
   A replacement could match halves of bytes, for example in xc 38 3c 2x, but only
   around the digit 8, which is 38. Therefore 38 is first replaced by ce a9, which text
   encoded twice cannot contain, and then by a mark that is not hex. #}
{% macro repaired_text(column) -%}
{%- set any = 'c382c2[89ab][0-9a-f]' -%}
{%- set twice_encoded = '^(' ~ [
    '[0-7][0-9a-f]',
    'c383c2(8[2-9a-f]|9[0-9a-f])' ~ any,
    'c383c2a0c382c2[ab][0-9a-f]' ~ any,
    'c383c2a[1-9abcef]' ~ any ~ any,
    'c383c2adc382c2[89][0-9a-f]' ~ any,
    'c383c2b0c382c2[9ab][0-9a-f]' ~ any ~ any,
    'c383c2b[123]' ~ any ~ any ~ any,
    'c383c2b4c382c28[0-9a-f]' ~ any ~ any,
] | join('|') ~ ')+$' -%}
{%- set without_8 = "replace(" ~ column ~ ", '8', 'Ω')" -%}
{%- set decoded = namespace(bytes=hex_of_text(without_8)) -%}
{%- for encoded, byte in [
    ('cea9', 'xx'),
    ('c383c28', 'c'),
    ('c383c29', 'd'),
    ('c383c2a', 'e'),
    ('c383c2b', 'f'),
    ('c382c2', ''),
    ('xx', '38'),
] -%}
{%- set replaced = [decoded.bytes, "'" ~ encoded ~ "'", "'" ~ byte ~ "'"] -%}
{%- set decoded.bytes = 'replace(' ~ replaced | join(', ') ~ ')' -%}
{%- endfor -%}
case
    when
        {{ column }} like '%Ã%'
        and {{ matches_pattern(hex_of_text(column), twice_encoded) }}
        then {{ text_of_hex(decoded.bytes) }}
end
{%- endmacro %}
