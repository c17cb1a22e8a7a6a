-- Everything the planner looks at, in one statement: one round trip, one consistent view.
-- Parameters: schema, roles, extensions.
SELECT json_build_object(
  'server', json_build_object(
    'version', current_setting('server_version'),
    'version_num', current_setting('server_version_num')::int,
    'session_user', session_user,
    'tls', (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()),
    'shared_buffers_kib', (SELECT setting::bigint * 8 FROM pg_settings WHERE name = 'shared_buffers'),
    'maintenance_work_mem_kib', (SELECT setting::bigint FROM pg_settings WHERE name = 'maintenance_work_mem')
  ),
  'database', (
    SELECT json_build_object(
      'name', d.datname,
      'managed', pg_has_role(d.datdba, 'USAGE'),
      'public_creates', (
        SELECT count(*) > 0
        FROM pg_namespace n, aclexplode(n.nspacl) a
        WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'),
      'grants', (
        SELECT coalesce(json_object_agg(grantee, privileges), '{}')
        FROM (
          SELECT coalesce(r.rolname, 'PUBLIC') AS grantee,
                 json_agg(a.privilege_type ORDER BY a.privilege_type) AS privileges
          FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
          LEFT JOIN pg_roles r ON r.oid = a.grantee
          WHERE a.grantee <> d.datdba
          GROUP BY 1) g))
    FROM pg_database d WHERE d.datname = current_database()),
  'extensions', (
    SELECT coalesce(json_object_agg(a.name, json_build_object(
      'installed', e.extversion,
      -- A loaded library has declared its parameters; a name that is merely set is not listed.
      'loaded', EXISTS (SELECT FROM pg_settings s WHERE starts_with(s.name, a.name || '.')))), '{}')
    FROM pg_available_extensions a
    LEFT JOIN pg_extension e ON e.extname = a.name
    WHERE a.name = ANY (%(extensions)s)),
  'roles', (
    SELECT coalesce(json_object_agg(r.rolname, json_build_object(
      'login', r.rolcanlogin,
      'createdb', r.rolcreatedb,
      'createrole', r.rolcreaterole,
      'elevated', (
        SELECT coalesce(json_agg(flag), '[]')
        FROM (VALUES ('superuser', r.rolsuper), ('replication', r.rolreplication),
                     ('bypassrls', r.rolbypassrls)) f (flag, held)
        WHERE held),
      'member_of', (
        SELECT coalesce(json_agg(g.rolname ORDER BY g.rolname), '[]')
        FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
        WHERE m.member = r.oid),
      'manageable', pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'),
      'settable', pg_has_role(r.oid, 'SET'),
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
      'grants', (
        SELECT coalesce(json_object_agg(grantee, privileges), '{}')
        FROM (
          SELECT coalesce(r.rolname, 'PUBLIC') AS grantee,
                 json_agg(a.privilege_type ORDER BY a.privilege_type) AS privileges
          FROM aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
          WHERE a.grantee <> n.nspowner
          GROUP BY 1) g),
      'default_grants', (
        SELECT coalesce(json_object_agg(grantee, privileges), '{}')
        FROM (
          SELECT coalesce(r.rolname, 'PUBLIC') AS grantee,
                 json_agg(a.privilege_type ORDER BY a.privilege_type) AS privileges
          FROM pg_default_acl x, aclexplode(x.defaclacl) a
          LEFT JOIN pg_roles r ON r.oid = a.grantee
          WHERE x.defaclnamespace = n.oid AND x.defaclobjtype = 'r'
            AND x.defaclrole = n.nspowner AND a.grantee <> n.nspowner
          GROUP BY 1) g))
    FROM pg_namespace n WHERE n.nspname = %(schema)s),
  'tables', (
    SELECT coalesce(json_object_agg(t.relname, json_build_object(
      'owner', pg_get_userbyid(t.relowner),
      'rows', greatest(t.reltuples, -1)::bigint,
      'bytes', pg_table_size(t.oid),
      'empty', pg_relation_size(t.oid) = 0,
      'options', (
        SELECT coalesce(json_object_agg(o.option_name, o.option_value), '{}')
        FROM pg_options_to_table(t.reloptions) o),
      'columns', (
        SELECT coalesce(json_object_agg(a.attname, json_build_object(
          'type', format_type(a.atttypid, a.atttypmod),
          'not_null', a.attnotnull,
          'default', pg_get_expr(d.adbin, d.adrelid)) ORDER BY a.attnum), '{}')
        FROM pg_attribute a
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped),
      'checks', (
        SELECT coalesce(json_object_agg(c.conname, c.convalidated), '{}')
        FROM pg_constraint c WHERE c.conrelid = t.oid AND c.contype = 'c'),
      'grants', (
        SELECT coalesce(json_object_agg(grantee, privileges), '{}')
        FROM (
          SELECT coalesce(r.rolname, 'PUBLIC') AS grantee,
                 json_agg(a.privilege_type ORDER BY a.privilege_type) AS privileges
          FROM aclexplode(t.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
          WHERE a.grantee <> t.relowner
          GROUP BY 1) g),
      'indexes', (
        SELECT coalesce(json_object_agg(c.relname, json_build_object(
          'method', am.amname,
          'unique', i.indisunique,
          'primary', i.indisprimary,
          'valid', i.indisvalid,
          'ready', i.indisready,
          'builder', (SELECT p.pid FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid),
          'bytes', pg_relation_size(c.oid),
          'options', (
            SELECT coalesce(json_object_agg(o.option_name, o.option_value), '{}')
            FROM pg_options_to_table(c.reloptions) o),
          'columns', (
            SELECT json_agg(pg_get_indexdef(c.oid, k, false) ORDER BY k)
            FROM generate_series(1, i.indnkeyatts) k),
          'opclasses', (
            SELECT json_agg(CASE WHEN o.opcdefault AND am.amname = 'btree' THEN '' ELSE o.opcname END ORDER BY k.n)
            FROM unnest(i.indclass::oid[]) WITH ORDINALITY k (opc, n) JOIN pg_opclass o ON o.oid = k.opc),
          'oddities', (
            SELECT coalesce(json_agg(word), '[]')
            FROM (VALUES ('partial', i.indpred IS NOT NULL), ('expression', i.indexprs IS NOT NULL),
                         ('include', i.indnatts > i.indnkeyatts),
                         ('ordering', 0 <> ANY (i.indoption::int2[]) AND am.amname = 'btree')) w (word, odd)
            WHERE odd))), '{}')
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_am am ON am.oid = c.relam
        WHERE i.indrelid = t.oid))), '{}')
    FROM pg_class t
    JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE n.nspname = %(schema)s AND t.relkind IN ('r', 'p')))
