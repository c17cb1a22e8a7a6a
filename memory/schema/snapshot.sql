-- Everything the planner looks at, in one statement: one round trip, one consistent view.
-- Parameters: schema, roles, extensions, preloaded, tables, all_sizes, versions.
WITH memberships AS (
  SELECT m.member, g.rolname AS role, b.rolname AS grantor,
         -- Whether a plain GRANT of this session would change it: PostgreSQL then takes for the
         -- grantor the first superuser, or whoever of this session's roles has ADMIN OPTION.
         m.grantor IS NOT DISTINCT FROM CASE WHEN s.rolsuper THEN 10 ELSE (
           SELECT a.member FROM pg_auth_members a
           WHERE a.roleid = m.roleid AND a.admin_option AND pg_has_role(a.member, 'USAGE')
           ORDER BY a.member <> s.oid LIMIT 1) END AS ours,
         (SELECT coalesce(json_agg(option ORDER BY option), '[]')
          FROM (VALUES ('ADMIN', m.admin_option), ('INHERIT', m.inherit_option),
                       ('SET', m.set_option)) o (option, held)
          WHERE held) AS options
  FROM pg_auth_members m
  JOIN pg_roles g ON g.oid = m.roleid
  JOIN pg_roles b ON b.oid = m.grantor
  JOIN pg_roles s ON s.rolname = session_user),
place AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = %(schema)s),
relations AS (
  -- What takes a lock on the table, be it ever so short, is asked of those that are looked into.
  SELECT t.*, t.relname = ANY (%(tables)s) OR %(all_sizes)s AS looked_into
  FROM pg_class t JOIN place ON place.oid = t.relnamespace
  WHERE t.relkind IN ('r', 'p') OR t.relname = ANY (%(tables)s)),
-- Every access list in one form: whose it is, and the column where it is of one.
lists AS (
  SELECT 'pg_database'::regclass AS class, oid, datdba AS owner, '' AS of,
         coalesce(datacl, acldefault('d', datdba)) AS acl
  FROM pg_database WHERE datname = current_database()
  UNION ALL SELECT 'pg_namespace', oid, nspowner, '', nspacl FROM place
  UNION ALL
  SELECT 'pg_default_acl', p.oid, p.nspowner, '', x.defaclacl
  FROM pg_default_acl x JOIN place p ON p.oid = x.defaclnamespace AND p.nspowner = x.defaclrole
  WHERE x.defaclobjtype = 'r'
  UNION ALL SELECT 'pg_class', oid, relowner, '', relacl FROM relations
  UNION ALL
  SELECT 'pg_class', t.oid, t.relowner, format('(%%I)', a.attname), a.attacl
  FROM relations t JOIN pg_attribute a ON a.attrelid = t.oid AND NOT a.attisdropped
  WHERE a.attacl IS NOT NULL),
privileges AS (
  SELECT l.class, l.oid, a.grantor = l.owner AS by_owner, coalesce(r.rolname, 'PUBLIC') AS grantee,
         coalesce(g.rolname, a.grantor::text) AS grantor,
         a.privilege_type || l.of || CASE WHEN a.is_grantable THEN '*' ELSE '' END AS privilege
  FROM lists l, aclexplode(l.acl) a
  LEFT JOIN pg_roles r ON r.oid = a.grantee
  LEFT JOIN pg_roles g ON g.oid = a.grantor
  WHERE a.grantee <> l.owner),
given AS (
  SELECT class, oid, json_object_agg(grantee, held) AS grants
  FROM (SELECT class, oid, grantee, json_agg(privilege ORDER BY privilege) AS held
        FROM privileges WHERE by_owner GROUP BY 1, 2, 3) p
  GROUP BY 1, 2),
passed AS (
  SELECT class, oid, json_agg(words ORDER BY words) AS words
  FROM (SELECT class, oid, string_agg(privilege, ', ' ORDER BY privilege)
                 || ' to ' || grantee || ' by ' || grantor AS words
        FROM privileges WHERE NOT by_owner GROUP BY class, oid, grantee, grantor) p
  GROUP BY 1, 2),
-- What hangs on a table and is nobody's to declare here.
attachments AS (
  SELECT tgrelid AS oid, 'trigger' AS kind, tgname::text AS name FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT ev_class, 'rule', rulename FROM pg_rewrite WHERE rulename <> '_RETURN'
  UNION ALL SELECT polrelid, 'policy', polname FROM pg_policy
  UNION ALL SELECT conrelid, 'foreign key', conname FROM pg_constraint WHERE contype = 'f'
  UNION ALL
  SELECT confrelid, 'foreign key of another table',
         (pg_identify_object('pg_class'::regclass, conrelid, 0)).identity || '.' || conname
  FROM pg_constraint WHERE contype = 'f'
  UNION ALL
  SELECT inhparent, 'child table', (pg_identify_object('pg_class'::regclass, inhrelid, 0)).identity
  FROM pg_inherits
  UNION ALL
  SELECT inhrelid, 'parent table', (pg_identify_object('pg_class'::regclass, inhparent, 0)).identity
  FROM pg_inherits
  UNION ALL
  SELECT r.prrelid, 'publication', p.pubname
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid),
-- Relations, functions and types of the schema that belong to nothing else.
objects AS (
  SELECT 'pg_class'::regclass AS class, c.oid, c.relname AS name, CASE c.relkind
           WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
           WHEN 'f' THEN 'foreign table' ELSE 'composite type' END AS kind
  FROM pg_class c JOIN place ON place.oid = c.relnamespace
  WHERE c.relkind IN ('v', 'm', 'S', 'f', 'c') AND c.relname <> ALL (%(tables)s)
  UNION ALL
  SELECT 'pg_proc', p.oid, p.proname, CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END
  FROM pg_proc p JOIN place ON place.oid = p.pronamespace
  UNION ALL
  SELECT 'pg_type', y.oid, y.typname, CASE y.typtype WHEN 'd' THEN 'domain' ELSE 'type' END
  FROM pg_type y JOIN place ON place.oid = y.typnamespace WHERE y.typtype IN ('d', 'e', 'r')),
-- Builds of other sessions.  Who may not see more of a session sees its process id, and its locks.
builds AS (
  SELECT p.pid, t.oid
  FROM pg_stat_progress_create_index p
  JOIN relations t ON t.oid = p.relid OR p.relid IS NULL AND EXISTS (
    SELECT FROM pg_locks l
    WHERE l.pid = p.pid AND l.locktype = 'relation' AND l.relation = t.oid AND l.granted
      AND l.mode IN ('ShareLock', 'ShareUpdateExclusiveLock'))
  WHERE p.datname = current_database() AND p.pid <> pg_backend_pid())
SELECT json_build_object(
  'server', json_build_object(
    'version', current_setting('server_version'),
    'version_num', current_setting('server_version_num')::int,
    'session_user', session_user,
    'grantable', (
      SELECT coalesce(json_agg(r.rolname), '[]')
      FROM pg_roles r WHERE pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')),
    'tls', (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()),
    'shared_buffers_kib', pg_size_bytes(current_setting('shared_buffers')) / 1024,
    'maintenance_work_mem_kib', pg_size_bytes(current_setting('maintenance_work_mem')) / 1024
  ),
  'database', (
    SELECT json_build_object(
      'name', d.datname,
      'managed', pg_has_role(d.datdba, 'USAGE'),
      'public_creates', (
        SELECT count(*) > 0
        FROM pg_namespace n, aclexplode(n.nspacl) a
        WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'),
      'grants', coalesce((SELECT grants FROM given WHERE class = 'pg_database'::regclass), '{}'),
      'passed_on', coalesce((SELECT words FROM passed WHERE class = 'pg_database'::regclass), '[]'))
    FROM pg_database d WHERE d.datname = current_database()),
  'extensions', (
    SELECT coalesce(json_object_agg(a.name, json_build_object(
      'installed', e.extversion,
      'into', e.extnamespace::regnamespace::name,
      'default', a.default_version,
      'offered', (
        SELECT coalesce(json_agg(v.version ORDER BY v.version), '[]')
        FROM pg_available_extension_versions v WHERE %(versions)s AND v.name = a.name),
      -- A loaded library has declared its parameters; a name that is merely set is not listed.
      'loaded', a.name <> ALL (%(preloaded)s)
        OR EXISTS (SELECT FROM pg_settings s WHERE starts_with(s.name, a.name || '.')))), '{}')
    FROM pg_available_extensions a
    LEFT JOIN pg_extension e ON e.extname = a.name
    WHERE a.name = ANY (%(extensions)s)),
  'roles', (
    SELECT coalesce(json_object_agg(r.rolname, json_build_object(
      'login', r.rolcanlogin,
      'createdb', r.rolcreatedb,
      'createrole', r.rolcreaterole,
      'connection_limit', r.rolconnlimit,
      'expires', nullif(r.rolvaliduntil, 'infinity')::text,
      'expired', coalesce(r.rolvaliduntil < now(), false),
      'elevated', (
        SELECT coalesce(json_agg(flag), '[]')
        FROM (VALUES ('superuser', r.rolsuper), ('replication', r.rolreplication),
                     ('bypassrls', r.rolbypassrls)) f (flag, held)
        WHERE held),
      'member_grants', (
        SELECT coalesce(json_object_agg(g.role, g.options), '{}')
        FROM memberships g WHERE g.member = r.oid AND g.ours),
      'foreign_members', (
        SELECT coalesce(json_object_agg(f.grantor, f.roles), '{}')
        FROM (
          SELECT g.grantor, json_object_agg(g.role, g.options) AS roles
          FROM memberships g WHERE g.member = r.oid AND NOT g.ours
          GROUP BY 1) f),
      'members', (
        SELECT coalesce(json_agg(DISTINCT m.rolname), '[]')
        FROM memberships g JOIN pg_roles m ON m.oid = g.member
        WHERE g.role = r.rolname AND m.rolname <> session_user AND NOT m.rolsuper),
      'manageable', pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'),
      'settable', pg_has_role(r.oid, 'SET'),
      'settings', (
        SELECT coalesce(json_object_agg(split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)
                                        ORDER BY x.setdatabase), '{}')
        FROM pg_db_role_setting x
        JOIN pg_database d ON d.datname = current_database() AND x.setdatabase IN (0, d.oid),
             unnest(x.setconfig) s
        WHERE x.setrole = r.oid AND s NOT LIKE 'search_path=%%'),
      'search_path', (
        SELECT substr(s, 13)
        FROM pg_db_role_setting x, unnest(x.setconfig) s
        WHERE x.setrole = r.oid AND s LIKE 'search_path=%%'
          AND x.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
    )), '{}')
    FROM pg_roles r WHERE r.rolname = ANY (%(roles)s)),
  'schema', (
    SELECT json_build_object(
      'owner', pg_get_userbyid(n.nspowner),
      'alterable', pg_has_role(n.nspowner, 'USAGE'),
      'grants', coalesce((SELECT grants FROM given WHERE class = 'pg_namespace'::regclass), '{}'),
      'passed_on', coalesce((SELECT words FROM passed WHERE class = 'pg_namespace'::regclass), '[]'),
      'default_grants', coalesce((SELECT grants FROM given WHERE class = 'pg_default_acl'::regclass), '{}'),
      'other_defaults', (
        SELECT coalesce(json_agg(words ORDER BY words), '[]')
        FROM (
          SELECT DISTINCT format(
                   '%%s on %%s to %%s, made by %%s%%s', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),
                   CASE x.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences'
                     WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' ELSE 'other objects' END,
                   coalesce(r.rolname, 'PUBLIC'), o.rolname,
                   CASE x.defaclnamespace WHEN 0 THEN ' in any schema' ELSE '' END) AS words
          FROM pg_default_acl x
          JOIN pg_roles o ON o.oid = x.defaclrole, aclexplode(x.defaclacl) a
          LEFT JOIN pg_roles r ON r.oid = a.grantee
          WHERE a.grantee <> x.defaclrole
            AND CASE x.defaclnamespace
                  WHEN n.oid THEN (x.defaclobjtype, x.defaclrole) <> ('r', n.nspowner)
                  -- Everybody may execute functions and use types where nobody said anything.
                  WHEN 0 THEN x.defaclrole = n.nspowner AND (a.grantee <> 0 OR x.defaclobjtype NOT IN ('f', 'T'))
                  ELSE false END
          GROUP BY x.oid, x.defaclobjtype, x.defaclnamespace, r.rolname, o.rolname) w),
      'objects', (
        SELECT coalesce(json_object_agg(kind, names), '{}')
        FROM (
          SELECT o.kind, json_agg(DISTINCT o.name) AS names
          FROM objects o
          WHERE NOT EXISTS (
            SELECT FROM pg_depend d
            WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('a', 'i', 'e')
              AND d.refclassid IN ('pg_class'::regclass, 'pg_extension'::regclass))
          GROUP BY 1) k))
    FROM place n),
  'tables', (
    SELECT coalesce(json_object_agg(t.relname, json_build_object(
      'owner', pg_get_userbyid(t.relowner),
      'alterable', pg_has_role(t.relowner, 'USAGE'),
      'kind', CASE t.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table'
        WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'index' END,
      'unlogged', t.relpersistence = 'u',
      'row_security', CASE WHEN t.relforcerowsecurity AND t.relrowsecurity THEN 'forced'
        WHEN t.relrowsecurity THEN 'enabled' ELSE '' END,
      'policies', (
        SELECT coalesce(json_object_agg(p.polname, json_build_object(
          'command', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
            WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
          'permissive', p.polpermissive,
          'roles', (
            SELECT json_agg(coalesce(r.rolname, 'PUBLIC') ORDER BY r.rolname)
            FROM unnest(p.polroles) o (id) LEFT JOIN pg_roles r ON r.oid = o.id),
          'using', CASE WHEN t.looked_into THEN pg_get_expr(p.polqual, t.oid) END,
          'check', CASE WHEN t.looked_into THEN pg_get_expr(p.polwithcheck, t.oid) END)), '{}')
        FROM pg_policy p WHERE p.polrelid = t.oid),
      'attached', (
        SELECT coalesce(json_object_agg(kind, names), '{}')
        FROM (SELECT kind, json_agg(name ORDER BY name) AS names
              FROM attachments a WHERE a.oid = t.oid GROUP BY 1) k),
      -- As the planner reckons, so that a load since the last ANALYZE counts.
      'rows', CASE WHEN t.reltuples < 0 OR t.relpages = 0 THEN -1 ELSE (
        t.reltuples / t.relpages * coalesce(CASE WHEN t.looked_into THEN pg_relation_size(t.oid) END, 0)
        / current_setting('block_size')::int)::bigint END,
      'bytes', CASE WHEN t.looked_into THEN coalesce(pg_table_size(t.oid), 0) ELSE 0 END,
      'empty', CASE WHEN t.looked_into THEN coalesce(pg_relation_size(t.oid), 0) = 0 ELSE false END,
      'builder', (SELECT min(b.pid) FROM builds b WHERE b.oid = t.oid),
      'options', (
        SELECT coalesce(json_object_agg(o.option_name, o.option_value), '{}')
        FROM pg_options_to_table(t.reloptions) o),
      'columns', (
        SELECT coalesce(json_object_agg(a.attname, json_build_object(
          'type', format_type(a.atttypid, a.atttypmod),
          'not_null', a.attnotnull,
          'default', CASE WHEN t.looked_into THEN pg_get_expr(d.adbin, d.adrelid) END,
          'unproven', (
            SELECT c.conname FROM pg_constraint c
            WHERE c.conrelid = t.oid AND c.contype = 'n' AND c.conkey = ARRAY[a.attnum] AND NOT c.convalidated),
          'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' ELSE '' END,
          'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' ELSE '' END,
          'collation', (
            SELECT (pg_identify_object('pg_collation'::regclass, c.oid, 0)).identity
            FROM pg_collation c JOIN pg_type y ON y.oid = a.atttypid
            WHERE c.oid = a.attcollation AND c.oid <> y.typcollation),
          'checks', (
            SELECT coalesce(json_agg(c.conname ORDER BY c.conname), '[]') FROM pg_constraint c
            WHERE c.conrelid = t.oid AND c.contype = 'c' AND c.convalidated AND a.attnum = ANY (c.conkey)),
          'views', (
            SELECT coalesce(json_agg(DISTINCT (pg_identify_object('pg_class'::regclass, w.ev_class, 0)).identity), '[]')
            FROM pg_depend p JOIN pg_rewrite w ON w.oid = p.objid
            WHERE p.classid = 'pg_rewrite'::regclass AND p.refclassid = 'pg_class'::regclass
              AND p.refobjid = t.oid AND p.refobjsubid = a.attnum AND w.ev_class <> t.oid)
        ) ORDER BY a.attnum), '{}')
        FROM pg_attribute a
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped),
      'checks', (
        SELECT coalesce(json_object_agg(c.conname, c.convalidated), '{}')
        FROM pg_constraint c WHERE c.conrelid = t.oid AND c.contype = 'c'),
      'conditions', (
        SELECT coalesce(json_object_agg(c.conname, pg_get_expr(c.conbin, c.conrelid)), '{}')
        FROM pg_constraint c WHERE c.conrelid = t.oid AND c.contype = 'c' AND t.looked_into),
      'grants', coalesce((SELECT grants FROM given g WHERE g.class = 'pg_class'::regclass AND g.oid = t.oid), '{}'),
      'passed_on', coalesce((SELECT words FROM passed g WHERE g.class = 'pg_class'::regclass AND g.oid = t.oid), '[]'),
      'indexes', (
        SELECT coalesce(json_object_agg(c.relname, json_build_object(
          'method', am.amname,
          'unique', i.indisunique,
          'primary', i.indisprimary,
          'valid', i.indisvalid,
          'ready', i.indisready,
          'builder', (SELECT p.pid FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid),
          'bytes', CASE WHEN t.looked_into THEN pg_relation_size(c.oid) ELSE 0 END,
          'needed', (
            SELECT coalesce(json_agg(words ORDER BY words), '[]')
            FROM (SELECT 'foreign key ' || k.conname || ' of '
                    || (pg_identify_object('pg_class'::regclass, k.conrelid, 0)).identity AS words
                  FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype = 'f'
                  UNION ALL SELECT 'the replica identity' WHERE i.indisreplident) n),
          'mentions', (
            SELECT coalesce(json_agg(a.attname ORDER BY a.attnum), '[]')
            FROM pg_depend p JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = p.refobjsubid
            WHERE (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
              AND p.classid = 'pg_class'::regclass AND p.objid = c.oid
              AND p.refclassid = 'pg_class'::regclass AND p.refobjid = t.oid AND p.refobjsubid > 0),
          'constraint', (
            SELECT k.conname FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('u', 'x')),
          'options', (
            SELECT coalesce(json_object_agg(o.option_name, o.option_value), '{}')
            FROM pg_options_to_table(c.reloptions) o),
          'columns', (
            -- A column by its name, as it would be quoted where that is a word of SQL.
            SELECT coalesce(json_agg(coalesce(
              (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = i.indkey[k - 1] AND a.attnum > 0),
              pg_get_indexdef(c.oid, k, false)) ORDER BY k), '[]')
            FROM generate_series(1, i.indnkeyatts) k WHERE t.looked_into),
          'opclasses', (
            SELECT json_agg(CASE WHEN o.opcdefault AND am.amname = 'btree' THEN '' ELSE o.opcname END ORDER BY k.n)
            FROM unnest(i.indclass::oid[]) WITH ORDINALITY k (opc, n) JOIN pg_opclass o ON o.oid = k.opc),
          'oddities', (
            SELECT coalesce(json_agg(word), '[]')
            FROM (VALUES ('partial', i.indpred IS NOT NULL), ('expression', i.indexprs IS NOT NULL),
                         ('include', i.indnatts > i.indnkeyatts),
                         ('ordering', 0 <> ANY (i.indoption::int2[]) AND am.amname = 'btree'),
                         ('collation', EXISTS (
                           SELECT FROM unnest(i.indkey::int2[], i.indcollation::oid[]) k (attnum, coll)
                           JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
                           WHERE k.coll <> a.attcollation)),
                         ('deferrable', NOT i.indimmediate)) w (word, odd)
            WHERE odd))), '{}')
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am am ON am.oid = c.relam
        WHERE i.indrelid = t.oid))), '{}')
    FROM relations t))
