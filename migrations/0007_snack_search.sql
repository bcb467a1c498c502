-- Search of snacks by the letters of their names.

-- Letters of a comparison form as they are typed, without white space, then a space and the initial consonants of its syllables. ㄲ is one
-- key, ㅘ and ㄳ are two. The initials are conjoining letters, another alphabet, so that nobody takes them for letters of the first part:
-- `새우깡 값` is `ㅅㅐㅇㅜㄲㅏㅇㄱㅏㅂㅅ ᄉᄋᄁᄀ`. src/domain/text/letters.rs makes the patterns for it, and a test compares both.
CREATE FUNCTION search_key_of(name_key text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    -- Conjoining letters: initials, vowels, finals. Then the same as letters that stand alone.
    initial_jamo CONSTANT text := U&'\1100\1101\1102\1103\1104\1105\1106\1107\1108\1109\110A\110B\110C\110D\110E\110F\1110\1111\1112';
    vowel_jamo   CONSTANT text :=
        U&'\1161\1162\1163\1164\1165\1166\1167\1168\1169\116A\116B\116C\116D\116E\116F\1170\1171\1172\1173\1174\1175';
    final_jamo   CONSTANT text := U&'\11A8\11A9\11AA\11AB\11AC\11AD\11AE\11AF\11B0\11B1\11B2\11B3\11B4\11B5'
        '\11B6\11B7\11B8\11B9\11BA\11BB\11BC\11BD\11BE\11BF\11C0\11C1\11C2';
    initial_letters CONSTANT text := 'ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ';
    vowel_letters   CONSTANT text := 'ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ';
    final_letters   CONSTANT text := 'ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ';
    -- Letters of two keys, each with its keys.
    two_keys CONSTANT text[] := '{ㄳㄱㅅ,ㄵㄴㅈ,ㄶㄴㅎ,ㄺㄹㄱ,ㄻㄹㅁ,ㄼㄹㅂ,ㄽㄹㅅ,ㄾㄹㅌ,ㄿㄹㅍ,ㅀㄹㅎ,ㅄㅂㅅ,ㅘㅗㅏ,ㅙㅗㅐ,ㅚㅗㅣ,ㅝㅜㅓ,ㅞㅜㅔ,ㅟㅜㅣ,ㅢㅡㅣ}';
    decomposed text := normalize(replace(name_key, ' ', ''), NFD);
    letters    text := translate(decomposed, initial_jamo || vowel_jamo || final_jamo, initial_letters || vowel_letters || final_letters);
    initials   text := translate(decomposed, vowel_jamo || final_jamo, '');
    keys       text;
BEGIN
    FOREACH keys IN ARRAY two_keys LOOP
        letters := replace(letters, left(keys, 1), substr(keys, 2));
        initials := replace(initials, left(keys, 1), substr(keys, 2));
    END LOOP;
    RETURN normalize(letters, NFC) || ' ' || normalize(translate(initials, initial_letters, initial_jamo), NFC);
END
$$;

-- All pairs of neighbours in a search key, and its last character alone. Words of one or two letters are looked up here, because trigrams
-- need three: a pair is looked up as it is, a letter as the beginning of a pair.
CREATE FUNCTION search_pairs_of(search_key text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT array_to_tsvector(array_agg(substr(search_key, at, 2)))
    FROM generate_series(1, char_length(search_key)) AS at);

-- Columns, because the flush rewrites the index entries of a row and must not compute them again.
ALTER TABLE snacks
    ADD COLUMN search_key   text COLLATE "C" NOT NULL GENERATED ALWAYS AS (search_key_of(name_key)) STORED,
    ADD COLUMN search_pairs tsvector         NOT NULL GENERATED ALWAYS AS (search_pairs_of(search_key_of(name_key))) STORED;

CREATE INDEX snacks_search ON snacks USING gin (search_key gin_trgm_ops, search_pairs);

-- The former release searches these columns while both run, without their indexes. The next release drops short_parts and its function.
DROP INDEX snacks_name_trigrams;
DROP INDEX snacks_short_parts;
COMMENT ON COLUMN snacks.short_parts IS 'No longer used. The next release drops it.';
