"""A file of saved state: the old one or the new one, whatever happens to the disk, the process or the bytes."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthlb.store import file as state_file
from healthlb.store.file import ASIDE, Absent, Damaged, Kept, StateFile


def orders(folder: Path, version: int = 1) -> StateFile:
    return StateFile(folder / "orders.json", "orders", version)


def body(found: Kept | Absent | Damaged) -> bytes:
    assert isinstance(found, Kept), found
    return found.body


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@settings(deadline=None)
@given(first=st.binary(), second=st.binary())
def test_what_was_written_last_is_read(tmp_path_factory: pytest.TempPathFactory, first: bytes, second: bytes) -> None:
    file = orders(tmp_path_factory.mktemp("state"))
    assert isinstance(file.read(), Absent)
    for each in (first, second):
        file.write(each)
        assert body(file.read()) == each


def test_only_its_owner_may_read_it_and_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    orders(tmp_path).write(b"x")
    assert stat.S_IMODE((tmp_path / "orders.json").stat().st_mode) == 0o600
    assert names(tmp_path) == {"orders.json"}


@settings(deadline=None)
@given(junk=st.binary(max_size=400))
def test_any_bytes_that_were_not_written_by_it_are_set_aside_whole_and_a_new_one_takes_their_place(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("state")
    (folder / "orders.json").write_bytes(junk)
    file = orders(folder)
    found = file.read()
    assert isinstance(found, Damaged)
    assert Path(found.kept_as).read_bytes() == junk
    assert isinstance(file.read(), Absent)
    file.write(b"new")
    assert body(file.read()) == b"new"
    assert Path(found.kept_as).read_bytes() == junk


@settings(deadline=None)
@given(written=st.binary(min_size=1, max_size=200), data=st.data())
def test_one_changed_byte_or_a_cut_anywhere_is_found(
    tmp_path_factory: pytest.TempPathFactory, written: bytes, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("state")
    file = orders(folder)
    file.write(written)
    whole = (folder / "orders.json").read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    for bad in (changed, whole[:place]):
        (folder / "orders.json").write_bytes(bad)
        assert isinstance(file.read(), Damaged)


@pytest.mark.parametrize(
    ("kind", "version", "reason"),
    [
        ("orders", 2, "it is of version 2, and this healthlb reads version 1"),
        ("health", 1, "it does not begin as a file of healthlb's orders does"),
    ],
)
def test_a_file_of_a_newer_healthlb_or_of_another_kind_is_set_aside_with_the_reason(
    tmp_path: Path, kind: str, version: int, reason: str
) -> None:
    StateFile(tmp_path / "orders.json", kind, version).write(b"x")
    found = orders(tmp_path).read()
    assert isinstance(found, Damaged)
    assert found.reason == reason
    assert Path(found.kept_as).name.startswith("orders.json.damaged-2")


def test_a_folder_a_fifo_or_a_huge_file_in_its_place_is_set_aside_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "MOST", 1024)
    path = tmp_path / "orders.json"
    makes: list[Callable[[], Any]] = [path.mkdir, lambda: os.mkfifo(path), lambda: path.write_bytes(bytes(2000))]
    for make in makes:
        make()
        assert isinstance(orders(tmp_path).read(), Damaged)
        orders(tmp_path).write(b"new")
        path.unlink()


def test_only_the_newest_few_that_were_set_aside_are_kept(tmp_path: Path) -> None:
    for number in range(ASIDE + 4):
        (tmp_path / "orders.json").write_text(f"junk {number}")
        orders(tmp_path).read()
    kept = [path.read_text() for path in sorted(tmp_path.iterdir())]
    assert kept == [f"junk {number}" for number in range(4, ASIDE + 4)]


def test_what_cannot_be_set_aside_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "orders.json"
    path.write_bytes(b"junk")
    file = orders(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing)
        assert file.read() == Damaged("it does not begin as a file of healthlb's orders does")
        with pytest.raises(OSError, match="is damaged and cannot be renamed"):
            file.write(b"new")
        assert path.read_bytes() == b"junk"
    file.write(b"new")
    assert body(file.read()) == b"new"
    assert [path.read_bytes() for path in tmp_path.glob("*.damaged-*")] == [b"junk"]


def failing(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["open", "fsync", "replace", "close"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_disk_that_fails_at_any_step_leaves_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    file = orders(tmp_path)
    file.write(b"old")
    place: Any = Path if call == "replace" else os
    whole, calls = getattr(place, call), iter(range(1, 100))

    def now_and_then(*arguments: Any, **named: Any) -> Any:
        if next(calls) == nth:
            return failing()
        return whole(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(place, call, now_and_then)
        failed = False
        try:
            file.write(b"new")
        except OSError:
            failed = True
    assert body(file.read()) in ({b"old", b"new"} if failed else {b"new"})
    file.tidy()
    assert names(tmp_path) == {"orders.json"}
    file.write(b"newest")
    assert body(file.read()) == b"newest"


CHILD = """
import os, sys
from pathlib import Path
from healthlb.store.file import StateFile
file = StateFile(Path(sys.argv[1]), "orders", 1)
number = int(sys.argv[2])
os.write(1, b"x")
while True:
    number += 1
    file.write(b"%d " % number * 20_000)
    os.write(1, b".")
"""


def test_a_director_that_is_killed_at_random_moments_leaves_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    chance = random.Random(4)
    file = orders(tmp_path)
    file.write(b"0 ")
    for _ in range(200):
        before = int(body(file.read()).split()[0])
        command = [sys.executable, "-S", "-c", CHILD, str(file.path), str(before)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.read(1) == b"x"
            for _ in range(chance.randrange(4)):
                child.stdout.read(1)
            time.sleep(chance.random() * 0.003)  # the moment is the test's input, nothing is waited for
            child.send_signal(signal.SIGKILL)
            acknowledged = len(child.stdout.read())
        words = body(file.read()).split()
        assert len(set(words)) == 1
        assert int(words[0]) >= before + acknowledged
        assert names(tmp_path) <= {"orders.json", ".orders.json.new"}
    file.tidy()
    assert names(tmp_path) == {"orders.json"}


def full_disk(folder: Path) -> str:
    return f"mount -t tmpfs -o size=64k tmpfs {folder}"


def test_a_full_disk_leaves_the_old_one_and_says_so(tmp_path: Path) -> None:
    said = beyond(
        full_disk(tmp_path),
        "file.write(b'old')\n"
        "for size in (100_000, 1):\n"
        "    try:\n"
        "        file.write(b'n' * size)\n"
        "    except OSError as error:\n"
        "        print(told(error), file.read().body, os.listdir(folder))\n"
        "print(file.read().body)\n",
        tmp_path,
    )
    assert said == ["No space left on device b'old' ['orders.json']", "b'n'"]


def test_a_read_only_disk_leaves_what_is_there_and_says_so(tmp_path: Path) -> None:
    orders(tmp_path).write(b"old")
    said = beyond(
        f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}",
        "try:\n    file.write(b'new')\nexcept OSError as error:\n    print(told(error), file.read().body)\n",
        tmp_path,
    )
    assert said == ["Read-only file system b'old'"]


def test_a_damaged_file_on_a_read_only_disk_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "orders.json").write_bytes(b"junk")
    said = beyond(
        f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}",
        "print(file.read().kept_as == '')\ntry:\n    file.write(b'new')\nexcept OSError as error:\n    print(error)\n",
        tmp_path,
    )
    assert said == ["True", f"{tmp_path}/orders.json is damaged and cannot be renamed"]
    assert (tmp_path / "orders.json").read_bytes() == b"junk"


def test_a_folder_that_vanished_is_an_error_and_one_that_came_back_is_written_to(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    file = orders(folder)
    with pytest.raises(FileNotFoundError):
        file.write(b"x")
    folder.mkdir()
    file.write(b"x")
    assert body(file.read()) == b"x"


def beyond(mount: str, story: str, folder: Path) -> list[str]:
    """Play a story in a process that sees a mount of its own, and return what it printed."""
    whole = (
        "import os\nfrom pathlib import Path\nfrom healthlb.store.file import StateFile, told\n"
        f"folder = {str(folder)!r}\nfile = StateFile(Path(folder) / 'orders.json', 'orders', 1)\n{story}"
    )
    shell = f'{mount} && exec "$0" -c "$1"'
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--mount", "sh", "-c", shell, sys.executable, whole]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()
