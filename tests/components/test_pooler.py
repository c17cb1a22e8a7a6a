"""components/pooler.py: the configuration as text; what it does is in test_pooler_on_the_wire.py"""

from configparser import ConfigParser

from components.pooler import Files, Login, Pool, Server, configuration

LOGIN = Login(database="zep", user="zep_app")
SERVER = Server(host="db.example.test", port=6000)
POOL = Pool(
    max_client_connections=200, size=10, reserve=2, reserve_after_seconds=3, wait_seconds=20
)
NEWER_THAN_1_18 = {"max_prepared_statements", "auth_dbname", "peer_id", "track_extra_parameters"}


def rendered(files: Files | None = None) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read_string(configuration(SERVER, LOGIN, POOL, files))
    return parser


def test_one_database_leads_to_the_server() -> None:
    assert dict(rendered()["databases"]) == {"zep": "host=db.example.test port=6000 dbname=zep"}


def test_listens_on_the_loopback_and_on_no_socket() -> None:
    ini = rendered()["pgbouncer"]
    assert (ini["listen_addr"], ini["listen_port"], ini["unix_socket_dir"]) == (
        *("127.0.0.1", "6432"),
        "",
    )


def test_verifies_the_server_and_knows_its_clients() -> None:
    ini = rendered(Files(users="/users", roots="/roots"))["pgbouncer"]
    wanted = {
        "server_tls_sslmode": "verify-full",
        "server_tls_protocols": "tlsv1.3",
        "server_tls_ca_file": "/roots",
        "auth_type": "scram-sha-256",
        "auth_file": "/users",
    }
    assert {key: ini[key] for key in wanted} == wanted


def test_forgets_what_a_client_left_after_each_transaction() -> None:
    ini = rendered()["pgbouncer"]
    assert (ini["pool_mode"], ini["server_reset_query"], ini["server_reset_query_always"]) == (
        *("transaction", "DISCARD ALL"),
        "1",
    )


def test_takes_its_numbers_from_the_arguments() -> None:
    ini = rendered()["pgbouncer"]
    numbers = {
        "max_client_conn": "200",
        "default_pool_size": "10",
        "reserve_pool_size": "2",
        "reserve_pool_timeout": "3",
        "query_wait_timeout": "20",
    }
    assert {key: ini[key] for key in numbers} == numbers


def test_a_pod_counts_with_its_reserve() -> None:
    assert POOL.server_connections == 12


def test_the_oldest_pgbouncer_that_we_run_knows_every_key() -> None:
    assert not NEWER_THAN_1_18 & set(rendered()["pgbouncer"])
