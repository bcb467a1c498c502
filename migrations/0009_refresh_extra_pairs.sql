-- A spent refresh token that comes again within the grace (a retry, a second tab) gets a pair of its own. Real clients do that
-- once or twice; the count bounds how many sign-ins one stolen token can be turned into.

ALTER TABLE refresh_tokens ADD COLUMN extra_pairs smallint NOT NULL DEFAULT 0;
