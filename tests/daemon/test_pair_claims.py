"""Who may remove what VRRP put into the kernel, and when."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from healthlb.cli.main import main
from healthlb.daemon import pair_claims
from healthlb.daemon.pair_claims import Claims, HeldError
from healthlb.linux.claims import write_claims
from healthlb.linux.rtnetlink import Change


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
    with pytest.raises(HeldError, match="a director speaks VRRP"):
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


def test_release_tells_what_it_did_and_leaves_a_director_that_speaks_alone(
    first: Claims, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run" / "vrrp.json"
    monkeypatch.setattr(pair_claims, "CLAIMS", path)
    assert main(["release"]) == 0
    assert capsys.readouterr().out == "no director left anything behind\n"
    first.hold()
    assert main(["release"]) == 1
    assert "a director speaks VRRP on this machine already" in capsys.readouterr().err
    first.close()
    path.write_text("{}")
    assert main(["release"]) == 1
    assert "is not known" in capsys.readouterr().err


def test_release_says_so_where_what_is_written_down_is_another_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vrrp.json"
    monkeypatch.setattr(pair_claims, "CLAIMS", path)
    write_claims([Change("address 192.0.2.10/24 on eth0", b"", b"")], path)
    path.write_text(re.sub(r'"network": \[\s*\d+', '"network": [0', path.read_text()))
    assert main(["release"]) == 0
    assert "something of another: release it there" in capsys.readouterr().out
    assert path.exists()


def test_release_says_whose_rights_it_takes_where_they_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vrrp.json"
    path.mkdir()  # as unreadable to root as a file of others is to anybody else
    monkeypatch.setattr(pair_claims, "CLAIMS", path)
    assert main(["release"]) == 1
    told = capsys.readouterr().err
    assert f"what was put into the kernel is not known: {path} cannot be read: is a directory" in told
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["release"]) == 1
    assert "run it as root" in capsys.readouterr().err.removeprefix(told)


def test_release_names_everything_that_it_took_away(
    first: Claims, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pair_claims, "CLAIMS", tmp_path / "run" / "vrrp.json")
    monkeypatch.setattr(pair_claims, "withdraw_claims", lambda _: ())
    first.write((Change("address 192.0.2.10/24 on eth0", b"", b""),))
    assert main(["release"]) == 0
    assert capsys.readouterr().out == "released address 192.0.2.10/24 on eth0\n"
