-- A change of embedding model: a new space is built beside the one that serves, then one switch.
--
-- Which model is wanted is asked for once, and the newest request holds, whoever made it: several
-- daemons with different configurations follow the store, and never take turns.

ALTER TABLE foliod.spaces
    ADD COLUMN equal_digests text[] NOT NULL DEFAULT '{}', -- other builds of the model, which make the same vectors
    ADD COLUMN state_at      timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN builder       text,             -- the daemon that embeds for a space which is being built
    ADD COLUMN builder_until timestamptz,
    DROP CONSTRAINT spaces_state_check,
    ADD CONSTRAINT spaces_state_check CHECK (state IN ('building', 'active', 'retired', 'dropping'));
CREATE UNIQUE INDEX spaces_one_building ON foliod.spaces (state) WHERE state = 'building';

CREATE TABLE foliod.model_requests (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model           text NOT NULL,
    digest          text,                      -- NULL: whichever build there is
    dimensions      integer,                   -- NULL: as many as it gives
    how             text NOT NULL CHECK (how IN ('configuration', 'command', 'cancel', 'build', 'migration')),
    host            text,
    asked_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO foliod.model_requests (model, how) SELECT model, 'migration' FROM foliod.spaces WHERE state = 'active';

-- What a host's configuration said when its daemon started last: only a change of it is a request.
CREATE TABLE foliod.host_configurations (
    host            text PRIMARY KEY,
    model           text NOT NULL
);
INSERT INTO foliod.host_configurations (host, model)
SELECT DISTINCT f.host, s.model FROM foliod.files f CROSS JOIN foliod.spaces s WHERE s.state = 'active';

-- Which build of a model a host saw last: only a change of it is a request.
CREATE TABLE foliod.host_builds (
    host            text NOT NULL,
    model           text NOT NULL,             -- with its tag, in lower case
    digest          text NOT NULL,
    dimensions      integer NOT NULL,
    PRIMARY KEY (host, model)
);
INSERT INTO foliod.host_builds (host, model, digest, dimensions)
SELECT DISTINCT f.host, lower(s.model) || CASE WHEN s.model ~ ':[^/]*$' THEN '' ELSE ':latest' END, s.digest, s.dimensions
FROM foliod.files f CROSS JOIN foliod.spaces s WHERE s.state = 'active';
