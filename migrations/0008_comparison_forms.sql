-- How far the comparison forms (users.email_key, users.name_key, snacks.name_key) follow the present rules. The server computes
-- them, so that SQL cannot: it goes through the rows at its start, and notes here up to which it has come. One row for each table.

CREATE TABLE comparison_forms (
    table_name text    NOT NULL CONSTRAINT comparison_forms_pkey PRIMARY KEY,
    -- The version of the rules.
    form       integer NOT NULL,
    -- Rows up to this id have been brought to them; those above are new, or were written by an older server.
    last_id    bigint  NOT NULL
);
