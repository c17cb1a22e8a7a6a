"""What can be asked for."""

import pytest

from bench.__main__ import KINDS, OF_ALL, main, parser


def test_everything_is_measured_unless_something_is_chosen() -> None:
    chosen = parser().parse_args([])
    assert (chosen.suite, chosen.repeat, chosen.json) == ("all", 5, False)


def test_all_is_what_takes_minutes_and_no_more() -> None:
    assert set(KINDS) - set(OF_ALL) == {
        *("setup", "policies", "peers", "hnsw", "search", "reembed", "sizing"),
        *("rotation", "service", "throughput"),
    }


def test_help_says_what_each_suite_measures(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert [name for name in KINDS if f"\n{name} " not in text] == []
    assert "--repeat N" in text


@pytest.mark.parametrize("rounds", ["0", "-1", "many"])
def test_rounds_are_a_positive_number(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args([f"--repeat={rounds}"])
    assert f"{rounds} is no number of rounds" in capsys.readouterr().err
