-- What a new Flexible Server holds before its administrator: run by azuresu in "postgres".
-- Source: learn.microsoft.com/azure/postgresql/security/security-manage-database-users
CREATE ROLE azure_pg_admin NOLOGIN;
GRANT pg_monitor, pg_read_all_settings, pg_read_all_stats, pg_stat_scan_tables,
    pg_signal_backend, pg_checkpoint, pg_create_subscription TO azure_pg_admin;
ALTER DATABASE postgres OWNER TO azure_pg_admin;
