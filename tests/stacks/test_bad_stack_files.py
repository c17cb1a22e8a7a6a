"""A wrong stack file gets one readable line for each mistake: path, value, allowed, remedy."""

import pytest

from stacks.settings import SettingsError
from tests.stacks.bad import Bad, named, refused, row
from tests.stacks.files import REMOVED, changed, config_of, judged

VAULT = (
    "/subscriptions/{}/resourceGroups/rg-customer/providers/Microsoft.KeyVault/vaults/kv-customer"
)
OURS = "00000000-0000-0000-0000-000000000004"
EXISTING_VAULT = {
    "kind": "existing",
    "vault_id": VAULT.format(OURS),
    "key_name": "engram",
    "fields_key_name": "engram-fields",
    "cidrs": ["192.168.9.0/28"],
}
UATS_VAULT = {**EXISTING_VAULT, "vault_id": VAULT.format(OURS.replace("4", "3"))}
GEO_KEY = {"vault_id": VAULT.format(OURS) + "-geo", "key_name": "engram"}
EXISTING_POSTGRES = {
    "kind": "existing",
    "host": "db.customer.example",
    "port": 6543,
    "ca_file": "components/certificates/azure_postgres_roots.pem",
    "cidrs": ["192.168.7.0/28"],
    "admin_login": "engram_admin",
    "user_connections": 200,
}
EXISTING_CLUSTER = {
    "kind": "existing",
    "oidc_issuer_url": "https://oidc.customer.example/",
    "storage_class": "customer-encrypted",
}
IVFFLAT = {"method": "ivfflat", "lists": 100, "probes": 10}


SHAPE = [
    row("dev", "postgres.skuu", "B1ms", "unknown key 'skuu'", "kind, version, sku", "mean sku?"),
    row("dev", "flavour", "sweet", "unknown key 'flavour'", "protected, log", "remove flavour"),
    row("dev", "memory.index.m", 16, "unknown key 'm'", "method, lists, probes", "remove m"),
    row("dev", "protected", "no", "'no'", "true or false", "without quotes"),
    row("dev", "protected", REMOVED, "nothing", "true or false", "add protected"),
    row("dev", "postgres.sku", REMOVED, "nothing", "text", "add postgres.sku"),
    row("dev", "postgres", REMOVED, "nothing", "an object", "add postgres"),
    row("dev", "postgres.storage", 32, "32", "an object", "indent its keys"),
    row("dev", "postgres.storage.size_gib", "32", "'32'", "whole number", "without quotes"),
    row("dev", "memory.dimensions", 1536.5, "1536.5", "whole number", "without quotes or fraction"),
    row("dev", "environment", "prod", "'environment'", "the stack's name", "remove environment"),
    row("dev", "azure", {}, "'azure'", "azure-native:", "remove azure"),
    row("dev", "postgres.kind", "mine", "'mine'", "'managed', 'existing'", "say which kind"),
    row("dev", "postgres.kind", REMOVED, "no kind", "'managed', 'existing'", "say which kind"),
    row("dev", "memory.index.method", "diskann", "'diskann'", "'hnsw', 'ivfflat'", "say which"),
]
PLACE = [
    row(
        "dev", "azure-native:location", "West Europe", "'West Europe'", "55 regions",
        "did you mean westeurope?",
    ),
    row(
        "dev", "azure-native:location", REMOVED, "nothing", "text", "add azure-native:location",
    ),
    row("dev", "azure-native:tenantId", "contoso", "'contoso'", "a GUID", "az account show"),
    row("dev", "azure-native:subscriptionId", "1", "'1'", "a GUID", "az account show"),
    row(
        "dev", "postgres.entra_admin.object_id", "admins", "'admins'", "a GUID", "copy the id",
    ),
    row("dev", "network.address_space", "10.20.0.1/16", "10.20.0.1/16", "IPv4 range", "clear the"),
    row(
        "dev", "network.endpoints_subnet", "10.99.0.0/26", "'10.99.0.0/26'",
        "a part of 10.20.0.0/16", "inside network.address_space",
    ),
    row(
        "dev", "network.endpoints_subnet", "10.20.0.0/30", "'10.20.0.0/30'", "/29 or larger",
        "shorter prefix",
    ),
    Bad(
        "dev", {"network.address_space": "51.0.0.0/16", "network.endpoints_subnet": "51.0.0.0/26",
                "network.nodes_subnet": "51.0.1.0/24"},
        "network.address_space", "'51.0.0.0/16'", "10.0.0.0/8", "private range",
    ),
    Bad(
        "dev", {"postgres": {**EXISTING_POSTGRES, "host": "10.1.2.3"}},
        "postgres.host", "'10.1.2.3'", "DNS name with a domain", "an address cannot be verified",
    ),
    row("dev", "tags.owner", "", "''", "1 to 256", "at most 256"),
    row(
        "dev", "tags.data_classification", "top-secret", "'top-secret'", "'confidential'",
        "choose one",
    ),
    row("dev", "alerts", REMOVED, "nothing", "an object", "add alerts"),
    row("dev", "alerts.emails", [], "[]", "at least one address", "name who is told"),
    row(
        "dev", "alerts.emails", ["a@b.example", "A@b.example"], "'A@b.example'", "each once",
        "name who is told",
    ),
    row(
        "dev", "alerts.emails", ["on-call"], "'on-call'", "an e-mail address", "name who is told",
        at="alerts.emails.0",
    ),
]  # fmt: skip
SERVER = [
    row(
        "dev", "postgres.sku", "Standard_B9ms", "'Standard_B9ms'", "Standard_B1ms to B20ms",
        "a size that Flexible Server sells",
    ),
    row(
        "test", "postgres.sku", "Standard_D4s_v9", "'Standard_D4s_v9'", "s_v3, ds_v4, ds_v5",
        "Standard_D4s_v3",
    ),
    row(
        "dev", "postgres.high_availability.mode", "SameZone", "'SameZone' on Standard_B1ms",
        "'Disabled' on a Burstable SKU", "D or E series",
    ),
    row(
        "dev", "postgres.built_in_pooler", True, "True on Standard_B1ms",
        "false on a Burstable SKU", "D or E series",
    ),
    row(
        "uat", "postgres.high_availability.mode", "ZoneRedundant", "None", "other than '1'",
        "name another zone", at="postgres.high_availability.standby_zone",
    ),
    row(
        "prod", "postgres.high_availability.standby_zone", "1", "'1'", "other than '1'",
        "name another zone",
    ),
    row(
        "uat", "postgres.high_availability.standby_zone", "2", "'2'", "no standby_zone",
        "remove it",
    ),
    Bad(
        "prod", {"azure-native:location": "ukwest", "cluster": EXISTING_CLUSTER},
        "postgres.high_availability.mode", "'ZoneRedundant' in ukwest", "region without zones",
        "e.g. westeurope",
    ),
    row(
        "prod", "azure-native:location", "polandcentral", "True in polandcentral",
        "false in a region", "choose a paired region", at="postgres.backup.geo_redundant",
    ),
    row(
        "dev", "postgres.storage.size_gib", 100, "100", "32, 64, 128, 256", "choose 128",
    ),
    row(
        "dev", "postgres.storage.size_gib", 99_999, "99999", "16384, 32767", "choose 32767",
    ),
    row("dev", "postgres.storage.tier", "P60", "'P60' with 32 GiB", "P4, P6, P10", "choose P4"),
    row("dev", "postgres.storage.tier", "P5", "'P5'", "'P4', 'P6'", "choose one"),
    row("dev", "postgres.backup.retention_days", 3, "3", "7 or more", "raise it to at least 7"),
    row("dev", "postgres.backup.retention_days", 40, "40", "35 or less", "lower it to at most 35"),
    row("dev", "postgres.version", 13, "13", "16, 17 or 18", "choose one"),
    row("dev", "postgres.admin_login", "azure_pg_admin", "azure_pg_admin", "any name", "e.g. eng"),
    row("dev", "postgres.admin_login", "pg_boss", "'pg_boss'", "starting with pg_", "keep for"),
    row("dev", "postgres.admin_login", "Zep Admin", "'Zep Admin'", "lower-case", "need not quote"),
    row("dev", "postgres.maintenance.start_hour", 24, "24", "23 or less", "at most 23"),
    row("dev", "postgres.parameters", {"fsync": 0}, "fsync", "work_mem", "remove fsync"),
    row(
        "dev", "postgres.parameters", {"work_mem": 64}, "work_mem", "work_mem from 4096",
        "within the bounds",
    ),
    row(
        "dev", "postgres.parameters", {"maintenance_work_mem": 2_000_000}, "2000000 KiB",
        "1048576 KiB or less", "lower it", at="postgres.parameters.maintenance_work_mem",
    ),
]  # fmt: skip
KEYS = [
    row(
        "dev", "key_vault.soft_delete_retention_days", 91, "91", "90 or less", "at most 90",
    ),
    row(
        "dev", "key_vault.key_rotation.rotate_after_days", 3, "3", "7 or more", "at least 7",
    ),
    row(
        "dev", "key_vault.key_rotation.rotate_after_days", 120, "120 with rotation after 120",
        "127 or more", "an expired key stops the server",
        at="key_vault.key_rotation.expire_after_days",
    ),
    row(
        "dev", "key_vault.key_rotation.notify_before_expiry_days", 118, "118 of 120 days",
        "113 or less", "at least 7 days after",
    ),
    row("prod", "key_vault", EXISTING_VAULT, "nothing", "paired region", "add geo_key",
        at="key_vault.geo_key"),
    row(
        "uat", "key_vault",
        {**EXISTING_VAULT, "vault_id": VAULT.format(OURS.replace("4", "3")), "geo_key": {
            **GEO_KEY, "vault_id": GEO_KEY["vault_id"].replace(OURS, OURS.replace("4", "3"))}},
        "key 'engram' without geo-redundant backup", "no geo_key", "remove geo_key",
        at="key_vault.geo_key",
    ),
    row(
        "prod", "key_vault", {**EXISTING_VAULT, "geo_key": {**GEO_KEY, "vault_id":
        VAULT.format(OURS)}}, "the vault of the first key", "paired region",
        "name another vault", at="key_vault.geo_key.vault_id",
    ),
    row(
        "prod", "key_vault",
        {**EXISTING_VAULT, "vault_id": VAULT.format("11111111-1111-1111-1111-111111111111"),
         "geo_key": GEO_KEY},
        "11111111-1111", f"subscription {OURS}", "stack's subscription", at="key_vault.vault_id",
    ),
    row(
        "prod", "key_vault", {**EXISTING_VAULT, "vault_id": "kv-customer", "geo_key": GEO_KEY},
        "'kv-customer'", "/subscriptions/<id>", "az keyvault show", at="key_vault.vault_id",
    ),
    row("uat", "key_vault", {**UATS_VAULT, "fields_key_name": None}, "nothing, with field_enc",
        "the name of a key", "make an RSA key", at="key_vault.fields_key_name"),
    row("uat", "key_vault", {**UATS_VAULT, "fields_key_name": "Engram"}, "'Engram', the database",
        "another key than 'engram'", "make a second key", at="key_vault.fields_key_name"),
    row("uat", "key_vault", {**UATS_VAULT, "cidrs": None}, "nothing, with field_encryption",
        "the vault's private endpoint", "az network private-endpoint", at="key_vault.cidrs"),
    row("prod", "passwords.valid_days", 300, "300 for confidential", "180 or less", "twice a year"),
    row("uat", "field_encryption.enabled", False, "False", "true in uat", "set it to true"),
    row("dev", "field_encryption.fields", [], "[]", "one field or more", "name the fields"),
    row("dev", "field_encryption.fields", ["pii", "pii"], "", "each field once", "name each"),
    row("dev", "field_encryption.fields", ["p i i"], "'p i i'", "a path", "write letters",
        at="field_encryption.fields.0"),
    row("dev", "field_encryption.blind_indexes", ["email"], "'email'", "pii, phi, secret",
        "add it to field_encryption.fields"),
    row("dev", "field_encryption.rotation_schedule", "@daily", "'@daily'", "five parts", "write"),
    row("dev", "field_encryption.rotation_schedule", "0 24 * * *", "'0 24", "five parts", "write"),
    row("dev", "field_encryption.entra_cidrs", [], "[]", "one range or more", "name the addr"),
    row("dev", "retention.episodic_days", 0, "0", "1 or more", "at least 1"),
    row("dev", "retention.sensitivity_days", {"PHI": 3}, "", "a tag", "as memories carry it",
        at="retention.sensitivity_days.PHI.[key]"),
    row("dev", "passwords.renewed_on", "yesterday", "'yesterday'", "2026-11-01", "year-month-day"),
    row("dev", "postgres.admin_password", "hunter2", "a value that is not shown",
        "no secret in clear", "--secret engram:postgresAdminPassword"),
]  # fmt: skip
ANY_LENGTH = {"model.embedding_model": "customers-own"}


def dimensions(value: int, *said: str) -> Bad:
    """A length of embedding, which a model of the customer's may have."""
    return Bad("dev", {"memory.dimensions": value, **ANY_LENGTH}, "memory.dimensions", *said)


MEMORY = [
    dimensions(0, "0", "1 to 2000", "length of the model's embeddings"),
    dimensions(-1, "-1", "1 to 2000", "length of the model's embeddings"),
    dimensions(3072, "3072", "1 to 2000", "use element_type 'halfvec'"),
    dimensions(8000, "8000", "1 to 2000", "shorter embedding"),
    dimensions(20_000, "20000", "1 to 2000", "no column holds more"),
    Bad(
        "dev", {"memory.element_type": "halfvec", "memory.dimensions": 4001, **ANY_LENGTH},
        "memory.dimensions",
        "4001", "1 to 4000", "shorter embedding",
    ),
    row("dev", "memory.element_type", "bit", "'bit'", "'vector' or 'halfvec'", "choose one"),
    row("dev", "memory.database", "zep", "'zep'", "any name but zep", "a name of its own"),
    row("dev", "memory.database", "my-memory", "'my-memory'", "lower-case", "need not quote"),
    row("test", "memory.index.m", 1, "1", "2 or more", "at least 2"),
    row("test", "memory.index.m", 101, "101", "100 or less", "at most 100"),
    row("test", "memory.index.m", 40, "64", "80 or more with m = 40", "at least twice m",
        at="memory.index.ef_construction"),
    row("test", "memory.index.ef_construction", 1001, "1001", "1000 or less", "at most 1000"),
    row("test", "memory.index.ef_search", 0, "0", "1 or more", "at least 1"),
    row("dev", "memory.index.probes", 11, "11", "10 (memory.index.lists) or less", "square root"),
    row("dev", "memory.index.lists", 2000, "2000 for 1000 facts", "1000 or less", "facts / 1000"),
    row("dev", "memory.autovacuum.vacuum_scale_factor", 1.5, "1.5", "1.0 or less", "at most 1"),
]  # fmt: skip
PRODUCTION = [
    row("prod", "protected", False, "False", "true in prod", "set it to true"),
    row("uat", "protected", False, "False", "true in uat", "set it to true"),
    *(
        row(stack, "memory.index", IVFFLAT, "'ivfflat'", f"'hnsw' in {stack}", "choose hnsw",
            at="memory.index.method")
        for stack in ("test", "uat", "prod")
    ),
    Bad(
        "prod",
        {"postgres.high_availability.mode": "SameZone",
         "postgres.high_availability.standby_zone": REMOVED},
        "postgres.high_availability.mode", "'SameZone'", "'ZoneRedundant' in prod", "standby_zone",
    ),
    row("prod", "postgres.backup.geo_redundant", False, "False",
        "true in prod", "when the server is made"),
]  # fmt: skip
ROWS = [*SHAPE, *PLACE, *SERVER, *KEYS, *MEMORY, *PRODUCTION]


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) >= 40


@pytest.mark.parametrize("bad", ROWS, ids=named(ROWS))
def test_a_mistake_is_one_line_with_path_value_allowed_and_remedy(bad: Bad) -> None:
    refused(bad)


ADMIN_PASSWORD, KUBECONFIG = "engram:postgresAdminPassword", "engram:kubeconfig"
SECRETS = [
    ({"postgres": EXISTING_POSTGRES}, {}, ADMIN_PASSWORD, "found nothing", "--secret"),
    (
        {"postgres": EXISTING_POSTGRES}, {"has_password": True, "is_secret": False}, ADMIN_PASSWORD,
        "an encrypted value", "--secret",
    ),
    (
        {}, {"has_password": True}, ADMIN_PASSWORD,
        "while postgres.kind is 'managed'", f"config rm {ADMIN_PASSWORD}",
    ),
    ({"cluster": EXISTING_CLUSTER}, {}, KUBECONFIG, "found nothing", "< kubeconfig.yaml"),
    (
        {"cluster": EXISTING_CLUSTER}, {"has_kubeconfig": True, "is_secret": False}, KUBECONFIG,
        "an encrypted value", "--secret",
    ),
    (
        {}, {"has_kubeconfig": True}, KUBECONFIG,
        "while cluster.kind is 'managed'", f"config rm {KUBECONFIG}",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "secret", "path", "allowed", "remedy"), SECRETS)
def test_what_an_existing_part_needs_is_a_secret_or_absent(
    parts: dict[str, object], secret: dict[str, bool], path: str, allowed: str, remedy: str
) -> None:
    with pytest.raises(SettingsError, match="has 1 mistake:") as caught:
        judged("dev", changed("dev", parts), **secret)
    (mistake,) = caught.value.mistakes
    assert mistake.path == path
    assert allowed in str(mistake)
    assert remedy in mistake.remedy


@pytest.mark.parametrize(
    "key", ["password", "client_secret", "api_token", "connectionString", "apiKey", "kubeconfig"]
)
def test_a_secret_in_clear_is_never_repeated(key: str) -> None:
    with pytest.raises(SettingsError, match="no secret in clear") as caught:
        judged("dev", changed("dev", {key: "hunter2"}))
    assert "hunter2" not in str(caught.value)


def test_a_secret_in_the_wrong_type_is_not_repeated_either() -> None:
    with pytest.raises(SettingsError, match="not shown") as caught:
        judged("dev", changed("dev", {"passwords": "hunter2"}))
    assert "hunter2" not in str(caught.value)


def test_all_mistakes_are_told_at_once_those_across_keys_too() -> None:
    changes: dict[str, object] = {
        "postgres.sku": "Standard_B1ms",
        "postgres.storage.size_gib": 100,
        "postgres.typo": 1,
        "memory.dimensions": 20_000,
        "network.address_space": REMOVED,
        "azure-native:location": "Atlantis",
    }
    with pytest.raises(SettingsError, match="mistakes:") as caught:
        judged("prod", changed("prod", changes))
    assert [mistake.path for mistake in caught.value.mistakes] == [
        "azure-native:location",
        "connections",
        "memory.dimensions",
        "model.embedding_model",
        "network.address_space",
        "postgres.built_in_pooler",
        "postgres.high_availability.mode",
        "postgres.parameters.maintenance_work_mem",
        "postgres.storage.size_gib",
        "postgres.typo",
    ]


@pytest.mark.parametrize("settings", [None, "text", ["list"]])
def test_a_file_without_settings_says_where_to_start(settings: object) -> None:
    with pytest.raises(SettingsError, match=r"engram:settings: .*; start from Pulumi.dev.yaml"):
        judged("dev", {**config_of("dev"), "engram:settings": settings})


def test_another_stack_name_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"environment: found 'staging'; allowed: 'dev', 'tes"):
        judged("staging", config_of("dev"))
