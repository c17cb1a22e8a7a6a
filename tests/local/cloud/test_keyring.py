"""A key wraps while Azure would let it, and not a moment longer."""

from collections.abc import Callable

import pytest

from local.cloud import keyvault
from local.cloud.keyring import KeyUnavailable, Wrapped
from tests.local.cloud import declared
from tests.local.cloud.conftest import GROUP, Engine
from tests.local.cloud.declared import ASSIGNMENT, IDENTITY_ID, KEY_ID, KEY_URI, VAULT_ID

GRANT_ID = f"{KEY_ID}/providers/Microsoft.Authorization/roleAssignments/{ASSIGNMENT}"


@pytest.fixture
def granted(engine: Engine) -> Engine:
    """A cloud in which the identity may wrap with the key."""
    principal = declared.stand(engine)
    engine.create("authorization:RoleAssignment", declared.assignment(principal))
    return engine


def wrap(engine: Engine, uri: str = KEY_URI) -> Wrapped:
    return engine.world.wrap(IDENTITY_ID, uri, b"data key")


def test_unwraps_what_it_wrapped(granted: Engine) -> None:
    wrapped = wrap(granted)
    assert "data key" not in wrapped.ciphertext
    assert granted.world.unwrap(IDENTITY_ID, wrapped) == b"data key"


def test_a_rotation_takes_the_new_version_and_still_unwraps_the_old(granted: Engine) -> None:
    before = wrap(granted)
    uri = keyvault.rotate(granted.world, granted.world.require(KEY_ID))
    after = wrap(granted)
    assert after.key_uri == uri != before.key_uri
    assert granted.world.unwrap(IDENTITY_ID, before) == b"data key"
    assert wrap(granted, before.key_uri).key_uri == before.key_uri


def test_a_rotated_version_expires_by_the_policy(engine: Engine) -> None:
    principal = declared.stand(engine)
    engine.create("authorization:RoleAssignment", declared.assignment(principal, scope=GROUP))
    asked = declared.policy("P90D", "rotate", timeAfterCreate="P30D")
    id_, _ = engine.create("keyvault:Key", {**asked, "keyName": "rotating"})
    uri = KEY_URI.replace("cmk", "rotating")
    engine.clock.now += 91 * 86400
    wrap(engine, uri)
    keyvault.rotate(engine.world, engine.world.require(id_))
    read = engine.world.types["azure-native:keyvault:Key"].read(
        engine.world, engine.world.require(id_)
    )
    assert read["attributes"]["expires"] == int(engine.clock.now) + 90 * 86400
    engine.clock.now += 90 * 86400
    with pytest.raises(KeyUnavailable, match="KeyNotYetValidOrExpired"):
        wrap(engine, uri)


def disable(engine: Engine) -> None:
    keyvault.set_enabled(engine.world, engine.world.require(KEY_ID), enabled=False)


def close_vault(engine: Engine) -> None:
    closed = declared.vault(
        publicNetworkAccess="disabled", networkAcls={"bypass": "None", "defaultAction": "Deny"}
    )
    engine.update("keyvault:Vault", VAULT_ID, closed)


def replace_identity(engine: Engine) -> None:
    engine.delete("managedidentity:UserAssignedIdentity", IDENTITY_ID)
    engine.create("managedidentity:UserAssignedIdentity", declared.identity())


LOST: list[tuple[str, Callable[[Engine], object]]] = [
    ("ForbiddenByRbac", lambda e: e.delete("authorization:RoleAssignment", GRANT_ID)),
    ("ForbiddenByRbac", replace_identity),
    ("IdentityNotFound", lambda e: e.delete("managedidentity:UserAssignedIdentity", IDENTITY_ID)),
    ("KeyDisabled", disable),
    ("ForbiddenByRbac", lambda e: e.delete("keyvault:Key", KEY_ID)),
    ("VaultNotFound", lambda e: e.delete("keyvault:Vault", VAULT_ID)),
    ("ForbiddenByFirewall", close_vault),
]


@pytest.mark.parametrize(("code", "lose"), LOST, ids=[f"{c}-{i}" for i, (c, _) in enumerate(LOST)])
def test_loses_the_key(granted: Engine, code: str, lose: Callable[[Engine], object]) -> None:
    wrapped = wrap(granted)
    lose(granted)
    for attempt in (lambda: wrap(granted), lambda: granted.world.unwrap(IDENTITY_ID, wrapped)):
        with pytest.raises(KeyUnavailable, match=code):
            attempt()


def test_enabling_brings_it_back(granted: Engine) -> None:
    wrapped = wrap(granted)
    disable(granted)
    keyvault.set_enabled(granted.world, granted.world.require(KEY_ID), enabled=True)
    assert granted.world.unwrap(IDENTITY_ID, wrapped) == b"data key"


def test_a_deleted_key_of_a_granted_vault_is_not_found(engine: Engine) -> None:
    principal = declared.stand(engine)
    engine.create("authorization:RoleAssignment", declared.assignment(principal, scope=GROUP))
    wrap(engine)
    engine.delete("keyvault:Key", KEY_ID)
    with pytest.raises(KeyUnavailable, match="KeyNotFound"):
        wrap(engine)


@pytest.mark.parametrize(("moment", "allowed"), [(-1, False), (0, True), (99, True), (100, False)])
def test_a_key_is_valid_from_nbf_to_exp(engine: Engine, moment: int, allowed: bool) -> None:
    now = int(engine.clock.now)
    principal = declared.stand(engine)
    engine.create("authorization:RoleAssignment", declared.assignment(principal, scope=GROUP))
    engine.create(
        "keyvault:Key", declared.key("timed", attributes={"notBefore": now, "expires": now + 100})
    )
    engine.clock.now += moment
    uri = KEY_URI.replace("cmk", "timed")
    if allowed:
        assert wrap(engine, uri).key_uri.startswith(uri)
    else:
        with pytest.raises(KeyUnavailable, match="KeyNotYetValidOrExpired"):
            wrap(engine, uri)


@pytest.mark.parametrize(
    ("properties", "words"),
    [({"keyOps": ["sign"]}, "not permitted"), ({"kty": "EC", "keySize": None}, "not permitted")],
)
def test_a_key_for_something_else_does_not_wrap(
    engine: Engine, properties: dict[str, object], words: str
) -> None:
    principal = declared.stand(engine)
    engine.create("authorization:RoleAssignment", declared.assignment(principal, scope=GROUP))
    inputs = declared.key("other", **{"keyOps": ["sign"], **properties})
    engine.create("keyvault:Key", inputs)
    with pytest.raises(KeyUnavailable, match=words):
        wrap(engine, KEY_URI.replace("cmk", "other"))


def test_access_policies_count_where_rbac_is_off(engine: Engine) -> None:
    principal = declared.stand(engine)
    with pytest.raises(KeyUnavailable, match="ForbiddenByRbac"):
        wrap(engine)
    policy = {
        "tenantId": ASSIGNMENT,
        "objectId": principal,
        "permissions": {"keys": ["get", "wrapKey", "unwrapKey"]},
    }
    engine.update(
        "keyvault:Vault",
        VAULT_ID,
        declared.vault(enableRbacAuthorization=False, accessPolicies=[policy]),
    )
    assert engine.world.unwrap(IDENTITY_ID, wrap(engine)) == b"data key"


@pytest.mark.parametrize("uri", ["cmk", "https://kv-dev.vault.azure.net/secrets/cmk"])
def test_wants_a_key_uri(granted: Engine, uri: str) -> None:
    with pytest.raises(KeyUnavailable, match="is no key URI"):
        wrap(granted, uri)


def test_an_unknown_version_is_not_found(granted: Engine) -> None:
    with pytest.raises(KeyUnavailable, match="KeyNotFound"):
        wrap(granted, f"{KEY_URI}/{'0' * 32}")


class TestCommand:
    @pytest.fixture(autouse=True)
    def local(self, granted: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
        monkeypatch.setenv("ENGRAM_LOCAL", str(tmp_path))

    def test_rotates_disables_and_enables(
        self, granted: Engine, capsys: pytest.CaptureFixture[str]
    ) -> None:
        known = ["--vault", "kv-dev", "--key", "cmk"]
        wrapped = wrap(granted)
        assert keyvault.main(["rotate", *known]) == 0
        assert capsys.readouterr().out.strip() == wrap(granted).key_uri
        assert keyvault.main(["disable", *known]) == 0
        with pytest.raises(KeyUnavailable, match="KeyDisabled"):
            granted.world.unwrap(IDENTITY_ID, wrapped)
        assert keyvault.main(["enable", *known]) == 0
        assert granted.world.unwrap(IDENTITY_ID, wrapped) == b"data key"

    @pytest.mark.parametrize(
        ("vault", "key", "words"),
        [("kv", "cmk", "no vault 'kv'; there are: kv-dev"), ("kv-dev", "k", "there are: cmk")],
    )
    def test_names_what_there_is(
        self, vault: str, key: str, words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert keyvault.main(["rotate", "--vault", vault, "--key", key]) == 1
        assert words in capsys.readouterr().err
