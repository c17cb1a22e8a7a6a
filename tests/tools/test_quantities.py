"""tools/quantities.py: Kubernetes' notation as plain numbers."""

import pytest

from tools.quantities import cores, gibibytes


@pytest.mark.parametrize(
    ("written", "meant"),
    [(1, 1), (0.5, 0.5), ("1", 1), ("500m", 0.5), ("1500m", 1.5), ("0.25", 0.25), ("2e1", 20)],
)
def test_cpu_is_told_in_cores(written: object, meant: float) -> None:
    assert cores(written) == pytest.approx(meant)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2Gi", 2), ("512Mi", 0.5), ("1Ti", 1024), (1073741824, 1), ("1048576Ki", 1),
        ("2G", 1908 / 1024),  # 1907.3 MiB, and a pod never gets less than was asked for
        ("1000k", 1 / 1024),
    ],
)  # fmt: skip
def test_memory_is_told_in_gib_and_never_rounded_down(written: object, meant: float) -> None:
    assert gibibytes(written) == pytest.approx(meant)


@pytest.mark.parametrize("value", ["lots", "", "-1", "1 Gi", "1gi", True, None, [1], {"cpu": 1}])
def test_what_is_no_quantity_is_nothing(value: object) -> None:
    assert cores(value) is None
    assert gibibytes(value) is None
