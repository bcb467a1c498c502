-- Snacks.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TYPE currency AS ENUM ('KRW', 'USD', 'JPY');
CREATE TYPE snack_status AS ENUM ('available', 'unavailable');

CREATE FUNCTION short_parts_of(name text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT array_agg(DISTINCT substr(name, at, size) COLLATE "C")
    FROM generate_series(1, char_length(name)) AS at, generate_series(1, 2) AS size
    WHERE at + size - 1 <= char_length(name));

CREATE TABLE snacks (
    id                  bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT snacks_pkey PRIMARY KEY,
    uid                 uuid             NOT NULL DEFAULT gen_random_uuid() CONSTRAINT snacks_uid_key UNIQUE,
    name                text             NOT NULL,
    -- Comparison form of the name, for uniqueness, search and sorting.
    name_key            text             NOT NULL COLLATE "C" CONSTRAINT snacks_name_key UNIQUE,
    url                 text             NOT NULL DEFAULT '',
    "desc"              text             NOT NULL DEFAULT '',
    -- Names in the storage.
    image               text,
    thumbnail           text,
    currency            currency         NOT NULL DEFAULT 'KRW',
    price               numeric(14, 2)   NOT NULL,
    status              snack_status     NOT NULL DEFAULT 'available',
    -- Statistics columns. Only the flush writes them, together with a new epoch.
    like_reaction_count integer          NOT NULL DEFAULT 0,
    hate_reaction_count integer          NOT NULL DEFAULT 0,
    like_ratio          double precision NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN hate_reaction_count > 0 THEN like_reaction_count::double precision / hate_reaction_count
            WHEN like_reaction_count > 0 THEN like_reaction_count
            ELSE 1
        END) STORED,
    counter_epoch       bigint           NOT NULL DEFAULT 0,
    registered_by       bigint CONSTRAINT snacks_registered_by_fkey REFERENCES users (id),
    created_at          timestamptz      NOT NULL DEFAULT now(),
    updated_at          timestamptz      NOT NULL DEFAULT now(),
    -- All parts of the name with one or two characters, for search: trigrams need three, and most Korean words have two. A column,
    -- because the flush rewrites the index entries of a row and must not compute the parts again.
    short_parts         text[] COLLATE "C" NOT NULL GENERATED ALWAYS AS (short_parts_of(name_key)) STORED,
    CONSTRAINT snacks_price_not_negative CHECK (price >= 0),
    CONSTRAINT snacks_price_digits CHECK (currency = 'USD' OR price = trunc(price)),
    CONSTRAINT snacks_counts_not_negative CHECK (like_reaction_count >= 0 AND hate_reaction_count >= 0),
    CONSTRAINT snacks_image_with_thumbnail CHECK ((image IS NULL) = (thumbnail IS NULL))
);

-- One index for each sort order, with the expressions of its ORDER BY, so that a page is a short index scan in both directions. The
-- status is filtered during the scan, because nearly all snacks are available. The few others have an index of their own.
CREATE INDEX snacks_by_like_ratio ON snacks (like_ratio, like_reaction_count, (-hate_reaction_count), id);
CREATE INDEX snacks_by_likes ON snacks (like_reaction_count, id);
CREATE INDEX snacks_by_hates ON snacks (hate_reaction_count, id);
CREATE INDEX snacks_by_price ON snacks (price, id);
CREATE INDEX snacks_by_created_at ON snacks (created_at, id);
CREATE INDEX snacks_unavailable ON snacks (id) WHERE status = 'unavailable';

-- For search by a part of the name, by its length.
CREATE INDEX snacks_name_trigrams ON snacks USING gin (name_key gin_trgm_ops);
CREATE INDEX snacks_short_parts ON snacks USING gin (short_parts);
