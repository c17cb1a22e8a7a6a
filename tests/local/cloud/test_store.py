"""The store survives restarts, crashes and company."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local.cloud.arm import Record
from local.cloud.store import Store

RECORD = Record(
    "/subscriptions/S/resourceGroups/RG",
    "Microsoft.Resources/resourceGroups",
    {"a": 1},
    {"b": [2]},
    "urn:one",
    5.0,
    frozenset({("a", 0)}),
)
OTHER_PROCESS = """
import sys
from pathlib import Path
from local.cloud.store import Store
store = Store(Path(sys.argv[1]))
with store.transaction():
    for _ in range(100):
        pass
for _ in range(50):
    with store.transaction():
        count = (store.fact("count", "x") or {"n": 0})["n"]
        store.set_fact("count", "x", {"n": count + 1})
print(store.claim("/held", "create"))
"""


def test_survives_a_restart_and_ignores_case(tmp_path: Path) -> None:
    Store(tmp_path).put(RECORD)
    again = Store(tmp_path)
    assert again.get(RECORD.arm_id.upper()) == RECORD
    assert again.of_type(RECORD.type) == [RECORD]


def test_what_fails_is_undone(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fail_half_way() -> None:
        with store.transaction():
            store.put(RECORD)
            store.set_private(RECORD.arm_id, {"x": 1})
            with store.transaction():
                store.set_fact("kind", "name", {"y": 1})
            raise InterruptedError("half-way")

    with pytest.raises(InterruptedError, match="half-way"):
        fail_half_way()
    assert store.get(RECORD.arm_id) is None
    assert store.private(RECORD.arm_id) == {}
    assert store.fact("kind", "name") is None


def test_children_are_what_lies_below(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(RECORD)
    for tail in ("/providers/A/b/c", "x/providers/A/b/c"):
        store.put(Record(RECORD.arm_id + tail, "A/b", {}, {}, "urn", 6.0))
    assert [r.name for r in store.children(RECORD.arm_id.lower())] == ["c"]
    assert store.children(RECORD.arm_id)[0].arm_id == f"{RECORD.arm_id}/providers/A/b/c"


def test_an_update_keeps_creator_and_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(RECORD)
    store.put(Record(RECORD.arm_id, RECORD.type, {}, {"new": 1}, "urn:two", 9.0))
    found = store.get(RECORD.arm_id)
    assert found is not None
    assert (found.urn, found.created_at, found.outputs) == ("urn:one", 5.0, {"new": 1})
    assert store.created_by("urn:one") == RECORD.arm_id


def test_of_a_resource_and_its_replacement_the_newer_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name, created in (("new", 7.0), ("old", 6.0)):
        store.put(Record(f"/subscriptions/S/{name}", "A/b", {}, {}, "urn", created))
    assert store.created_by("urn") == "/subscriptions/S/new"


def test_private_data_goes_with_the_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(RECORD)
    store.set_private(RECORD.arm_id, {"pem": "x"})
    store.delete(RECORD.arm_id)
    assert store.private(RECORD.arm_id) == {}


def test_processes_and_threads_wait_for_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def count() -> None:
        for _ in range(50):
            with store.transaction():
                number = (store.fact("count", "x") or {"n": 0})["n"]
                store.set_fact("count", "x", {"n": number + 1})
        store.close()

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, str(tmp_path)], check=True)
    for thread in threads:
        thread.join()
    assert store.fact("count", "x") == {"n": 150}


def test_a_claim_holds_until_released(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.claim("/server", "create")
    assert not Store(tmp_path).claim("/SERVER", "update")
    store.release("/server")
    assert store.claim("/server", "update")


def test_a_claim_of_a_dead_process_counts_for_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "True\n"
    assert Store(tmp_path).claim("/held", "create")
