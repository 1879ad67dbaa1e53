"""Who may remove what VRRP put into the kernel, and when."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from healthlb.daemon.pair_claims import Claims, HeldError


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Claims]:
    claims = Claims(tmp_path / "run" / "vrrp.json")
    yield claims
    claims.close()


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Claims]:
    claims = Claims(tmp_path / "run" / "vrrp.json")
    yield claims
    claims.close()


def test_nobody_removes_what_a_director_that_speaks_has_in_the_kernel(first: Claims, second: Claims) -> None:
    first.hold()
    first.hold()
    with pytest.raises(HeldError, match="another director speaks VRRP"):
        second.clean()
    assert first.clean() == ()
    with pytest.raises(HeldError):
        second.hold()
    first.close()
    assert second.clean() == ()
    first.hold()


def test_a_folder_that_cannot_be_written_keeps_nobody_from_speaking(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    claims = Claims(tmp_path / "file" / "vrrp.json")
    claims.hold()
    assert "cannot be written down" in claims.write(())
    claims.close()


def test_what_is_withdrawn_is_no_longer_written_down(first: Claims, tmp_path: Path) -> None:
    assert first.write(()) == ""
    assert first.withdraw(()) == ()
    assert first.clean() == ()
