"""Contenders take turns, and only what counts is measured."""

import subprocess
import sys
import time

from bench.measure import Contender, Sample, Stopwatch, Suite, Work, race, stopwatch


def contender(name: str, diary: list[str]) -> Contender:
    return Contender(
        name=name,
        prepare=lambda: diary.append(f"prepare {name}"),
        run=lambda: diary.append(f"run {name}"),
    )


def numbered() -> Stopwatch:
    """A stopwatch whose first run takes one second, its second two, and so on."""
    taken: list[Sample] = []

    def measure(run: Work) -> Sample:
        run()
        taken.append(Sample(wall_seconds=len(taken) + 1, cpu_seconds=0))
        return taken[-1]

    return measure


def test_contenders_take_turns_and_each_round_begins_with_another() -> None:
    diary: list[str] = []
    suite = Suite(title="suite", contenders=(contender("a", diary), contender("b", diary)))
    race(suite, 2, lambda _: None, measure=numbered())
    assert diary[:4] == ["prepare a", "run a", "prepare b", "run b"]
    assert [entry[-1] for entry in diary if entry.startswith("run")] == list("abbaab")


def test_the_first_round_does_not_count() -> None:
    suite = Suite(title="suite", contenders=(contender("a", []), contender("b", [])))
    samples = race(suite, 2, lambda _: None, measure=numbered())
    seconds = {name: [s.wall_seconds for s in taken] for name, taken in samples.items()}
    assert seconds == {"a": [4, 5], "b": [3, 6]}


def test_a_suite_without_warm_caches_has_no_round_for_them() -> None:
    suite = Suite(title="suite", contenders=(contender("a", []),), warm_up=False)
    said: list[str] = []
    samples = race(suite, 2, said.append, measure=numbered())
    assert [sample.wall_seconds for sample in samples["a"]] == [1, 2]
    assert said == ["suite: round 1 of 2, a", "suite: round 2 of 2, a"]


def test_each_turn_is_announced() -> None:
    said: list[str] = []
    race(Suite(title="suite", contenders=(contender("a", []),)), 1, said.append)
    assert said == ["suite: warming up, a", "suite: round 1 of 1, a"]


def test_time_asleep_is_wall_time_alone() -> None:
    sample = stopwatch(lambda: time.sleep(0.2))
    assert sample.wall_seconds >= 0.2
    assert sample.cpu_seconds < 0.1


def test_the_work_of_children_is_counted() -> None:
    work = "import time\nwhile time.process_time() < 0.2: pass"

    def child() -> None:
        subprocess.run([sys.executable, "-c", work], check=True)

    assert stopwatch(child).cpu_seconds >= 0.2
