-- Repair and trim text (docs/decisions/0002). Nearly all text needs neither: the first
-- and last character and the letter Ã decide. In a URL-encoded text each byte is one
-- code, so a replacement cannot match halves of two bytes.
create temp macro slowly_cleaned(text) as coalesce(
    case
        when
            contains(text, 'Ã')
            and regexp_full_match(
                url_encode(text),
                '([^%]|%[0-7].|%C3%8[23]%C2%..)*'
            )
            then
                try(
                    url_decode(
                        replace(
                            replace(
                                replace(
                                    replace(
                                        replace(
                                            url_encode(text), '%C3%83%C2%8', '%C'
                                        ),
                                        '%C3%83%C2%9', '%D'
                                    ),
                                    '%C3%83%C2%A', '%E'
                                ),
                                '%C3%83%C2%B', '%F'
                            ),
                            '%C3%82%C2', ''
                        )
                    )
                )
    end,
    nullif(trim(text, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)), '')
);

create temp macro cleaned(text) as case
    when text[1] > ' ' and text[-1] > ' ' and not contains(text, 'Ã') then text
    else slowly_cleaned(text)
end;
