-- What can be ordered.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TYPE currency AS ENUM ('KRW', 'USD', 'JPY');
CREATE TYPE snack_status AS ENUM ('available', 'unavailable');

CREATE TABLE snacks (
    id                  bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT snacks_pkey PRIMARY KEY,
    uid                 uuid             NOT NULL DEFAULT gen_random_uuid() CONSTRAINT snacks_uid_key UNIQUE,
    name                text             NOT NULL,
    -- The comparison form of the name (`text::fold`): unique, searched in, and sorted by its code points.
    name_key            text             NOT NULL COLLATE "C" CONSTRAINT snacks_name_key UNIQUE,
    url                 text             NOT NULL DEFAULT '',
    "desc"              text             NOT NULL DEFAULT '',
    -- Paths below /media; both or neither.
    image               text,
    thumbnail           text,
    currency            currency         NOT NULL DEFAULT 'KRW',
    price               numeric(14, 2)   NOT NULL,
    status              snack_status     NOT NULL DEFAULT 'available',
    -- The statistics columns. Only the flush task writes them, together with a new epoch; see 0003.
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
    CONSTRAINT snacks_price_not_negative CHECK (price >= 0),
    CONSTRAINT snacks_price_digits CHECK (currency = 'USD' OR price = trunc(price)),
    CONSTRAINT snacks_counts_not_negative CHECK (like_reaction_count >= 0 AND hate_reaction_count >= 0),
    CONSTRAINT snacks_image_with_thumbnail CHECK ((image IS NULL) = (thumbnail IS NULL))
);


-- One index for each ordering of the list, in the very terms of its ORDER BY, so that a page is a short index scan
-- whichever way it runs. Hates count against a snack: they enter the default ordering with their sign turned. The status
-- is a filter on the way, because nearly all snacks are available; the few others have an index of their own.
CREATE INDEX snacks_by_like_ratio ON snacks (like_ratio, like_reaction_count, (-hate_reaction_count), id);
CREATE INDEX snacks_by_likes ON snacks (like_reaction_count, id);
CREATE INDEX snacks_by_hates ON snacks (hate_reaction_count, id);
CREATE INDEX snacks_by_price ON snacks (price, id);
CREATE INDEX snacks_by_created_at ON snacks (created_at, id);
CREATE INDEX snacks_unavailable ON snacks (id) WHERE status = 'unavailable';

-- "Any part of the name".
CREATE INDEX snacks_name_trigrams ON snacks USING gin (name_key gin_trgm_ops);
