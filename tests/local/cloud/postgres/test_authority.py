"""local/cloud/postgres/authority.py"""

from pathlib import Path

from local.cloud.postgres.authority import Authority


def test_the_roots_private_key_is_private_and_made_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path).ensure()
    before = authority.ca_file.read_bytes()
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    assert authority.ensure().ca_file.read_bytes() == before
