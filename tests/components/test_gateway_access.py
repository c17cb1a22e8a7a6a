"""components/gateway_access.py in a real Envoy: who gets in, as whom, and what he may do."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from components.gateway_access import SUBJECT_HEADER, TENANT_HEADER, Role
from tests.components.gateway_stage import KEYS_OF, ROLES, Stage, sign_on, staged
from tests.issuer import Issuer

ZEP = "/api/v2/users/u1"
MEMORIES = "/memories/m1"
KEY = KEYS_OF["zep"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("gateway")) as everything:
        yield everything


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("Engram.Read", "GET", ZEP, 200),
        ("Engram.Read", "HEAD", ZEP, 200),
        ("Engram.Read", "POST", "/api/v2/sessions/search?limit=3", 200),
        ("Engram.Read", "POST", "/memories/search", 200),
        ("Engram.Read", "POST", ZEP, 403),
        ("Engram.Read", "POST", f"{ZEP}?then=/search", 403),
        ("Engram.Read", "POST", "/memories", 403),
        ("Engram.Read", "POST", "/memories/search/more", 403),
        ("Engram.Read", "POST", "/api/v2/sessions/s1/memory", 403),
        ("Engram.Read", "POST", "/api/v2/research", 403),
        ("Engram.Read", "PATCH", ZEP, 403),
        ("Engram.Read", "PUT", "/api/v2/sessions/search", 403),
        ("Engram.Read", "DELETE", ZEP, 403),
        ("Engram.Read", "DELETE", "/api/v2/sessions/search", 403),
        ("Engram.Write", "GET", ZEP, 200),
        ("Engram.Write", "POST", ZEP, 200),
        ("Engram.Write", "PUT", MEMORIES, 200),
        ("Engram.Write", "PATCH", ZEP, 200),
        ("Engram.Write", "DELETE", ZEP, 403),
        ("Engram.Write", "OPTIONS", ZEP, 403),
        ("Engram.Admin", "GET", ZEP, 200),
        ("Engram.Admin", "POST", ZEP, 200),
        ("Engram.Admin", "DELETE", MEMORIES, 200),
        ("Engram.Admin", "OPTIONS", ZEP, 403),
        ("Engram.Readers", "GET", ZEP, 403),
        ("engram.read", "GET", ZEP, 403),
    ],
)
def test_roles_decide(stage: Stage, role: str, method: str, path: str, status: int) -> None:
    assert stage.ask(method, path, stage.issuer.token(roles=[role])).status == status


@pytest.mark.parametrize(
    ("roles", "status"),
    [
        (["Other.App", "Engram.Read"], 200),
        ("Engram.Read", 200),
        ([], 403),
        (None, 403),
        ("Other.App Engram.Read", 403),
        ([["Engram.Read"]], 403),
        ({"Engram.Read": True}, 403),
    ],
)
def test_a_role_is_the_claim_or_in_its_list(stage: Stage, roles: object, status: int) -> None:
    assert stage.ask("GET", ZEP, stage.issuer.token(roles=roles)).status == status


NOW = time.time()
BAD_TOKENS: dict[str, Callable[[Issuer], str]] = {
    "signed by somebody else": Issuer.impostor,
    "claims exchanged": Issuer.altered,
    "alg none": Issuer.unsigned,
    "HS256 with the public key": Issuer.with_public_key_as_secret,
    "unknown key": lambda issuer: issuer.token(issuer.another_key()),
    "expired": lambda issuer: issuer.token(exp=int(NOW) - 3600),
    "without an end": lambda issuer: issuer.token(exp=None),
    "not yet valid": lambda issuer: issuer.token(nbf=int(NOW) + 3600),
    "of another issuer": lambda issuer: issuer.token(iss="https://login.example/"),
    "of no issuer": lambda issuer: issuer.token(iss=None),
    "no token": lambda _: "a.b.c",
    "without a signature": lambda issuer: issuer.token().rpartition(".")[0] + ".",
    "cut": lambda issuer: issuer.token()[:-2],
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_401_and_says_no_more(stage: Stage, kind: str) -> None:
    answer = stage.ask("GET", ZEP, BAD_TOKENS[kind](stage.issuer))
    assert (answer.status, "www-authenticate" in answer.headers) == (401, True)
    assert answer.json == {"error": 401, "message": ""}


@pytest.mark.parametrize("audience", ["api://other", "engram.", "", ["api://other"], None])
def test_a_token_for_somebody_else_is_403(stage: Stage, audience: object) -> None:
    """Envoy's answer to a good token for another application."""
    token = stage.issuer.token(aud=audience, roles=["Engram.Admin"])
    assert stage.ask("GET", ZEP, token).status == 403


def test_one_of_several_audiences_will_do(stage: Stage) -> None:
    token = stage.issuer.token(aud=["api://other", "api://engram"])
    assert stage.ask("GET", ZEP, token).status == 200


@pytest.mark.parametrize(("path", "service"), [(ZEP, "zep"), (MEMORIES, "memory-service")])
def test_a_good_token_is_exchanged_for_the_services_own_key(
    stage: Stage, path: str, service: str
) -> None:
    answer = stage.ask("GET", path, stage.issuer.token(sub="user-7"))
    assert answer.json["service"] == service
    assert answer.given("authorization") == [f"Api-Key {KEYS_OF[service]}"]
    assert answer.given(SUBJECT_HEADER) == ["user-7"]


@pytest.mark.parametrize("path", [ZEP, MEMORIES])
@pytest.mark.parametrize(("right", "status"), [(True, 200), (False, 401)])
def test_a_machines_key_is_judged_by_the_service(
    stage: Stage, path: str, right: bool, status: int
) -> None:
    """The gateway must not help: a wrong key that it replaced would be a right one."""
    service = "zep" if path == ZEP else "memory-service"
    sent = f"Api-Key {KEYS_OF[service] if right else 'wrong'}"
    answer = stage.gateway.call("DELETE", path, [("authorization", sent)])
    assert (answer.status, answer.json["service"]) == (status, service)
    assert answer.given("authorization") == [sent]
    assert answer.given(SUBJECT_HEADER) == []


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["Api-Key"],
        ["Api-Key "],
        [f"api-key {KEY}"],
        [f"Api-Key  {KEY}"],
        [f"Api-Key {KEY}, Bearer {{token}}"],
        [f"Api-Key {KEY},"],
        [f"Api-Key {KEY}", "Bearer {token}"],
        ["Bearer {token}", f"Api-Key {KEY}"],
        ["Bearer {token}", "Bearer {token}"],
        ["Bearer {token}, Bearer {token}"],
        ["bearer {token}"],
        ["Bearer  {token}"],
        ["Bearer {token} x"],
        ["Api-Key wrong Bearer {token}"],
        ["Basic eDp5 Bearer {token}"],
        ["{token}"],
        [KEY],
    ],
)
def test_anything_but_one_clean_credential_is_401(stage: Stage, values: list[str]) -> None:
    token = stage.issuer.token(roles=["Engram.Admin"])
    headers = [("Authorization", value.format(token=token)) for value in values]
    answer = stage.gateway.call("GET", ZEP, headers)
    assert (answer.status, answer.json) == (401, {"error": 401, "message": ""})
    assert answer.headers["www-authenticate"] == "Bearer, Api-Key"


@pytest.mark.parametrize("place", ["query", "cookie"])
def test_a_token_anywhere_but_in_the_header_is_none(stage: Stage, place: str) -> None:
    token = stage.issuer.token()
    path = f"{ZEP}?access_token={token}" if place == "query" else ZEP
    headers = [("cookie", f"access_token={token}")] if place == "cookie" else []
    assert stage.gateway.call("GET", path, headers).status == 401


def test_a_good_token_in_the_query_does_not_mend_a_bad_one(stage: Stage) -> None:
    assert stage.ask("GET", f"{ZEP}?access_token={stage.issuer.token()}", "a.b.c").status == 401


@pytest.mark.parametrize("credential", ["machine", "person"])
@pytest.mark.parametrize("spelling", [SUBJECT_HEADER, "X-Engram-Subject", "x-engram-role"])
def test_nobody_says_himself_who_he_is(stage: Stage, credential: str, spelling: str) -> None:
    token = stage.issuer.token(sub=None)
    sent = f"Api-Key {KEY}" if credential == "machine" else f"Bearer {token}"
    answer = stage.gateway.call("GET", ZEP, [("authorization", sent), (spelling, "admin")])
    assert answer.status == 200
    assert [value for name, value in answer.seen if name.lower().startswith("x-engram")] == []


@pytest.mark.parametrize(("claim", "given"), [("acme", ["acme"]), (None, [])])
def test_a_persons_tenant_is_what_the_token_says_and_not_the_person(
    tmp_path_factory: pytest.TempPathFactory, claim: str | None, given: list[str]
) -> None:
    with staged(tmp_path_factory.mktemp("tenants"), tenant_claim="tenant") as stage:
        answer = stage.ask("GET", MEMORIES, stage.issuer.token(tenant=claim), (TENANT_HEADER, "x"))
        assert (answer.status, answer.given(TENANT_HEADER)) == (200, given)


def test_a_subject_cannot_add_a_header(stage: Stage) -> None:
    answer = stage.ask("GET", ZEP, stage.issuer.token(sub="u\r\nx-evil: 1"))
    assert answer.status == 503


def test_a_new_key_of_the_issuer_is_learned_and_the_old_one_forgotten(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with staged(tmp_path_factory.mktemp("rotation"), jwks_cache_seconds=1) as stage:
        before = stage.issuer.token()
        assert stage.ask("GET", ZEP, before).status == 200
        stage.issuer.rotate()
        deadline = time.monotonic() + 20
        while stage.ask("GET", ZEP, stage.issuer.token()).status != 200:
            assert time.monotonic() < deadline, "the new key was never learned"
            time.sleep(0.2)
        assert stage.ask("GET", ZEP, before).status == 401


def test_claims_may_be_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("claims")
    with staged(folder, roles_claim=("https://a.b/realm", "roles"), subject_claim="oid") as stage:
        claims: dict[str, Any] = {
            "https://a.b/realm": {"roles": ["Engram.Read"]},
            "roles": None,
            "oid": "o-1",
        }
        answer = stage.ask("GET", ZEP, stage.issuer.token(None, **claims))
        assert (answer.status, answer.given(SUBJECT_HEADER)) == (200, ["o-1"])
        assert stage.ask("GET", ZEP, stage.issuer.token()).status == 403


def test_without_single_sign_on_only_keys_pass(tmp_path_factory: pytest.TempPathFactory) -> None:
    with staged(tmp_path_factory.mktemp("keys"), single_sign_on=False) as stage:
        keyed = stage.gateway.call("DELETE", ZEP, [("authorization", f"Api-Key {KEY}")])
        assert (keyed.status, keyed.given("authorization")) == (200, [f"Api-Key {KEY}"])
        refused = stage.ask("GET", ZEP, stage.issuer.token(roles=["Engram.Admin"]))
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Api-Key")
        assert stage.issuer.fetches == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"audiences": []}, "audiences is empty; name whom the tokens must be made for"),
        ({"audiences": [""]}, "audiences is empty"),
        ({"roles": {Role.READ: "r"}}, "roles: no name for write, admin"),
        ({"roles": {**ROLES, Role.ADMIN: "Engram.Read"}}, "two roles have the same name"),
    ],
)
def test_sign_on_that_would_let_too_many_in_is_refused(
    stage: Stage, changed: dict[str, Any], message: str
) -> None:
    good = sign_on(stage.issuer, stage.authority)
    with pytest.raises(ValueError, match=message):
        replace(good, **changed)
