"""stacks/settings/cautions.py: what is told and stops nothing."""

import re
from datetime import date

import pytest

from stacks.settings.cautions import cautions
from tests.stacks.files import ROOT, changed, judged, settings_of
from tests.stacks.test_bad_cluster_settings import EXISTING_STORE
from tests.stacks.test_bad_stack_files import EXISTING_POSTGRES

TODAY = date(2026, 11, 23)
IMAGE = {"images.memory_service": "contoso.azurecr.io/engram/memory-service:1.2.0"}
CONTENT = "sha256:" + 64 * "a"
ADDRESSES = {"cluster.authorized_ip_ranges": ["8.8.8.0/29"], "model.cidrs": ["8.8.4.0/29"]}
DIGESTS = {"images.digests": dict.fromkeys(("zep", "graphiti", "memory_service"), CONTENT)}


def said(stack: str, changes: dict[str, object], today: date = TODAY) -> list[str]:
    return list(cautions(settings_of(stack, changes), today))


@pytest.mark.parametrize(("today", "warnings"), [(date(2027, 4, 29), 0), (date(2027, 4, 30), 1)])
def test_expired_passwords_are_told_from_their_last_day_on(today: date, warnings: int) -> None:
    expired = [text for text in said("dev", {}, today) if "expired on 2027-04-30" in text]
    assert len(expired) == warnings


def test_an_unreleased_memory_service_is_told_until_an_image_is_named() -> None:
    told = said("dev", dict(ADDRESSES))
    assert [("name one in images.memory_service" in text) for text in told] == [True]
    assert said("dev", {**ADDRESSES, **IMAGE}) == []


@pytest.mark.parametrize("stack", ["uat", "prod"])
def test_placeholder_digests_are_told_until_the_customers_are_there(stack: str) -> None:
    (told,) = said(stack, {**ADDRESSES, **IMAGE})
    assert "the digest of zep, graphiti, memory_service" in told
    (page,) = re.findall(r"docs/runbooks/[\w-]+\.md", told)
    assert (ROOT / page).exists()
    assert said(stack, {**ADDRESSES, **IMAGE, **DIGESTS}) == []


@pytest.mark.parametrize(("today", "warnings"), [(date(2027, 1, 30), 0), (date(2027, 1, 31), 1)])
def test_the_spare_key_is_told_by_its_own_date(today: date, warnings: int) -> None:
    changes: dict[str, object] = {"passwords.spare_key_renewed_on": "2026-08-04"}
    due = [text for text in said("dev", changes, today) if "second API key is due" in text]
    assert len(due) == warnings


THEIRS: dict[str, object] = {
    "postgres": {**EXISTING_POSTGRES, "cidrs": ["192.0.2.7/32"]},
    "workloads.graph_store": {**EXISTING_STORE, "cidrs": ["198.51.100.0/30"]},
    "workloads.gateway.sign_on.cidrs": ["40.126.0.0/18", "203.0.113.9/32"],
}


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({}, "cluster.authorized_ip_ranges, model.cidrs"),
        ({"model.cidrs": ["8.8.4.0/29"]}, "cluster.authorized_ip_ranges"),
        ({"cluster.authorized_ip_ranges": []}, "model.cidrs"),
        (
            {**ADDRESSES, **THEIRS},
            "postgres.cidrs, workloads.gateway.sign_on.cidrs, workloads.graph_store.cidrs",
        ),
    ],
)
def test_addresses_that_nobody_has_are_told(changes: dict[str, object], places: str) -> None:
    settings = judged("dev", changed("dev", changes), has_password="postgres" in changes)
    told = [text for text in cautions(settings, TODAY) if "RFC 5737" in text]
    assert [text.partition(" stand in ")[2].partition(": whoever")[0] for text in told] == [places]
