"""What is written down for whoever has to clean up; what they then do to a kernel is shown in tests/kernel."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.linux import claims
from healthlb.linux.claims import claimed_elsewhere, read_claims, withdraw_claims, write_claims
from healthlb.linux.rtnetlink import Change, Rtnetlink

changes = st.lists(st.builds(Change, st.text(), st.binary(), st.binary()))


@given(changes=changes)
def test_what_was_written_down_is_read_again(changes: list[Change], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("run") / "healthlb" / "vrrp.json"
    write_claims([], path)
    write_claims(changes, path)
    assert read_claims(path) == tuple(changes)
    assert [file.name for file in path.parent.iterdir()] == ["vrrp.json"]


def test_without_a_file_nothing_is_claimed(tmp_path: Path) -> None:
    assert read_claims(tmp_path / "vrrp.json") == ()
    assert withdraw_claims(tmp_path / "vrrp.json") == ()


@pytest.mark.parametrize(
    "written",
    ["", "[]", "{}", '{"version": 2}', '{"version": 1, "network": null}', '{"version": 1, "network": [], "claims": 3}'],
)
def test_a_file_that_cannot_be_understood_is_told_and_kept(tmp_path: Path, written: str) -> None:
    path = tmp_path / "vrrp.json"
    path.write_text(written.replace("[]", json.dumps(claims._network())) if "claims" in written else written)
    if written.endswith("null}"):
        assert withdraw_claims(path) == ()  # another network's
    else:
        (problem,) = withdraw_claims(path)
        assert problem.startswith("what was put into the kernel is not known: ")
    assert path.exists()


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_the_old_one(tmp_path: Path) -> None:
    change = Change("address", b"\0", b"\1")
    path = tmp_path / "vrrp.json"
    path.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        write_claims([change], path)
    assert [file.name for file in tmp_path.iterdir()] == ["vrrp.json"]


def test_what_the_kernel_keeps_stays_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vrrp.json"
    gone, stays = Change("address A", b"\0" * 16, b"\1" * 16), Change("address B", b"\0" * 16, b"\1" * 16)

    class Refusing(Rtnetlink):
        def kept(self, changes: object) -> list[tuple[Change, str]]:
            assert changes == (gone, stays)
            return [(stays, "the kernel keeps address B: Operation not permitted")]

    monkeypatch.setattr(claims, "Rtnetlink", Refusing)
    write_claims([gone, stays], path)
    assert withdraw_claims(path) == ("the kernel keeps address B: Operation not permitted",)
    assert read_claims(path) == (stays,)


def test_what_was_written_down_before_another_boot_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vrrp.json"
    write_claims([Change("address A", b"\0" * 16, b"\1" * 16)], path)
    for boot in (tmp_path / "boot", tmp_path / "none"):
        (tmp_path / "boot").write_text("another\n")
        monkeypatch.setattr(claims, "BOOT", boot)
        assert read_claims(path) == ()
        assert withdraw_claims(path) == ()


def test_what_is_in_another_network_of_this_boot_is_known_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vrrp.json"
    assert not claimed_elsewhere(path)
    write_claims([], path)
    here = claims._network()
    monkeypatch.setattr(claims, "_network", lambda: [0, 0, here[2]])
    assert not claimed_elsewhere(path)
    write_claims([Change("address A", b"\0" * 16, b"\1" * 16)], path)
    assert not claimed_elsewhere(path)
    monkeypatch.setattr(claims, "_network", lambda: [1, 1, here[2]])
    assert claimed_elsewhere(path)
    monkeypatch.setattr(claims, "_network", lambda: [1, 1, "another boot"])
    assert not claimed_elsewhere(path)
