"""Whose saved state is: the service's, also after somebody ran a director as root by hand."""

import os
from pathlib import Path

import pytest

from healthlb.model.overrides import Orders
from healthlb.model.remembered import Remembered
from healthlb.store.events_file import EventsFile
from healthlb.store.folder import StateFolder
from healthlb.store.owner import create

NOBODY = 65_534


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Be root, as far as it shows, in a directory of somebody else's, and note what is given to whom."""
    found: list[tuple[str, int, int]] = []

    def fchown(number: int, user: int, group: int) -> None:
        found.append((Path(f"/proc/self/fd/{number}").readlink().name, user, group))

    if os.geteuid() == 0:
        os.chown(tmp_path, NOBODY, NOBODY)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", fchown)
    return found


def test_what_root_makes_in_the_state_directory_is_its_owners(
    tmp_path: Path, given: list[tuple[str, int, int]]
) -> None:
    folder = StateFolder(tmp_path)
    folder.open()
    folder.save_orders(Orders())
    folder.save_health(Remembered())
    folder.close()
    EventsFile(tmp_path / "events.db").close()
    status = tmp_path.stat()
    names = ("lock", ".orders.json.new", ".health.json.new", "events.db")
    assert given == [(name, status.st_uid, status.st_gid) for name in names]


def test_a_file_that_is_there_is_nobodys_to_give_away_and_no_link_is_followed(
    tmp_path: Path, given: list[tuple[str, int, int]]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(FileExistsError):
            create(tmp_path / name, 0o600)
    assert not (tmp_path / "elsewhere").exists()
    assert given == []


def test_a_file_that_cannot_be_given_away_is_made_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", refused)
    os.close(create(tmp_path / "file", 0o600))
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
