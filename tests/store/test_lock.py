"""One director has the state; the others do without it, and take it once it is free."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from healthlb.store.lock import Lock


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Lock, Lock]]:
    locks = Lock(tmp_path), Lock(tmp_path)
    yield locks
    for each in locks:
        each.release()


def test_one_takes_it_and_another_once_it_was_let_go(two: tuple[Lock, Lock]) -> None:
    first, second = two
    assert (first.take(), second.take()) == (True, False)
    first.release()
    assert second.take()


def test_a_director_that_is_killed_holds_it_no_longer(tmp_path: Path) -> None:
    story = (
        "import sys, time\nfrom pathlib import Path\nfrom healthlb.store.lock import Lock\n"
        "lock = Lock(Path(sys.argv[1]))\nprint(lock.take(), flush=True)\ntime.sleep(600)\n"
    )
    ours = Lock(tmp_path)
    with subprocess.Popen([sys.executable, "-c", story, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not ours.take()
        other.send_signal(signal.SIGKILL)
    assert ours.take()
    ours.release()


def test_a_lock_whose_file_was_removed_or_replaced_is_lost_and_can_be_taken_again(two: tuple[Lock, Lock]) -> None:
    first, second = two
    assert first.lost()
    assert first.take()
    assert not first.lost()
    first._path.unlink()
    assert first.lost()
    assert second.take()
    assert first.lost()
    assert not first.take()
    second.release()
    assert first.take()
    assert not first.lost()


def test_where_no_lock_can_be_made_that_is_an_error_and_no_answer(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "gone").take()
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="symbolic"):
        Lock(tmp_path).take()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
