-- Azure's gate on extensions: run by azuresu in every database that others are copied from.
--
-- Azure judges CREATE, ALTER, DROP and COMMENT ON EXTENSION before PostgreSQL does: before
-- IF NOT EXISTS finds that there is nothing to do, and before any question of ownership. An event
-- trigger at ddl_command_start comes as early, but sees only the statement's text; a second one
-- at the end looks at what was really created, so that text built at run time cannot slip past.

-- Read from the files: a session could set azure.extensions for itself, as for any placeholder.
CREATE FUNCTION pg_catalog.azure_allowed_extensions() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT array_remove(string_to_array(lower(replace(
        (SELECT setting FROM pg_file_settings
         WHERE name = 'azure.extensions' ORDER BY seqno DESC LIMIT 1),
        ' ', '')), ','), '')
$$;

CREATE FUNCTION pg_catalog.azure_gate_extension(extension text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NOT extension = ANY (coalesce(azure_allowed_extensions(), '{}')) THEN
        RAISE EXCEPTION USING errcode = 'insufficient_privilege', message = format(
            'extension "%s" is not allow-listed for "azure_pg_admin" users in Azure Database for PostgreSQL',
            extension),
            hint = 'Add it to the server parameter azure.extensions.';
    END IF;
END $$;

CREATE FUNCTION pg_catalog.azure_gate_start() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    statements text := lower(regexp_replace(current_query(), '--[^\n]*|/\*.*?\*/', ' ', 'g'));
    extension text;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        OR tg_tag = 'COMMENT' AND statements !~ 'comment\s+on\s+extension' THEN
        RETURN;
    END IF;
    IF NOT pg_has_role(current_user, 'azure_pg_admin', 'MEMBER') THEN
        RAISE EXCEPTION USING errcode = 'insufficient_privilege', message = format(
            'Only members of "azure_pg_admin" are allowed to use %s',
            replace(tg_tag, 'COMMENT', 'COMMENT ON EXTENSION'));
    END IF;
    FOR extension IN
        SELECT btrim(name, '"') FROM regexp_matches(statements,
            '(?:create|alter|drop|comment\s+on)\s+extension\s+(?:if\s+(?:not\s+)?exists\s+)?'
            '((?:"[^"]+"|[a-z0-9_$-]+)(?:\s*,\s*(?:"[^"]+"|[a-z0-9_$-]+))*)', 'g') AS listed,
            regexp_split_to_table(listed[1], '\s*,\s*') AS name
    LOOP
        PERFORM azure_gate_extension(extension);
    END LOOP;
    IF tg_tag = 'ALTER EXTENSION' AND statements ~ 'alter\s+extension\s+\S+\s+set\s+schema' THEN
        RAISE EXCEPTION USING errcode = 'feature_not_supported',
            message = 'SET SCHEMA clause for ALTER EXTENSION is not supported.';
    END IF;
END $$;

CREATE FUNCTION pg_catalog.azure_gate_end() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    created record;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    FOR created IN
        SELECT extname FROM pg_event_trigger_ddl_commands() JOIN pg_extension e ON e.oid = objid
        WHERE classid = 'pg_extension'::regclass
    LOOP
        PERFORM azure_gate_extension(created.extname);
    END LOOP;
END $$;

CREATE EVENT TRIGGER azure_gate_start ON ddl_command_start
    WHEN TAG IN ('CREATE EXTENSION', 'ALTER EXTENSION', 'DROP EXTENSION', 'COMMENT')
    EXECUTE FUNCTION pg_catalog.azure_gate_start();
CREATE EVENT TRIGGER azure_gate_end ON ddl_command_end
    WHEN TAG IN ('CREATE EXTENSION', 'ALTER EXTENSION')
    EXECUTE FUNCTION pg_catalog.azure_gate_end();
-- Also in a session whose session_replication_role is replica, which skips ordinary triggers.
ALTER EVENT TRIGGER azure_gate_start ENABLE ALWAYS;
ALTER EVENT TRIGGER azure_gate_end ENABLE ALWAYS;
