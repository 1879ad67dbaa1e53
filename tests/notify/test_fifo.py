"""Lines into a named pipe, whoever reads it or does not."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from healthlb.model.endpoint import Endpoint
from healthlb.model.notifiers import Fifo
from healthlb.notify.fifo import FifoSender
from healthlb.notify.keepalived import lines
from healthlb.notify.message import Message
from healthlb.notify.sending import RefusedError, UndeliveredError
from tests.notify.happenings import happened, in_thread, message, play

LINE = "RS [192.0.2.1]:tcp:8080 [198.51.100.1]:tcp:80 DOWN\n"


@contextmanager
def reading(path: Path) -> Iterator[int]:
    """Open a FIFO as a reader that does not wait."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def sending(path: Path) -> Iterator[FifoSender]:
    sender = FifoSender(Fifo(str(path)), in_thread())
    try:
        yield sender
    finally:
        sender.close()
        assert sender._file == -1


def send(sender: FifoSender, told: Message) -> None:
    play(lambda: sender.send(told))


def test_lines_are_written_for_whoever_reads(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with reading(path) as file, sending(path) as sender:
        send(sender, message())
        assert os.read(file, 4096).decode() == LINE
        send(sender, message(happened(), happened("warned", None, None)))
        assert os.read(file, 4096).decode() == LINE
        with pytest.raises(BlockingIOError):
            os.read(file, 1)  # still open: no end is seen between two messages


def test_a_fifo_that_is_absent_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    with sending(path) as sender:
        with pytest.raises(UndeliveredError, match=r"/fifo: nobody reads it$"):
            send(sender, message())
        mode = path.stat().st_mode
        assert (stat.S_ISFIFO(mode), stat.S_IMODE(mode)) == (True, 0o600)


def test_a_message_waits_for_a_reader_and_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    with sending(path) as sender:
        told = message()
        for _ in range(3):
            with pytest.raises(UndeliveredError):
                send(sender, told)
        with reading(path) as file:
            send(sender, told)
            assert os.read(file, 4096).decode() == LINE


def test_a_reader_that_went_is_followed_by_another_even_at_another_pipe(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with sending(path) as sender:
        with reading(path) as file:
            send(sender, message())
            assert os.read(file, 4096).decode() == LINE
        with pytest.raises(UndeliveredError, match="nobody reads it"):
            send(sender, message())
        with reading(path) as file:
            send(sender, message())
            assert os.read(file, 4096).decode() == LINE
        path.unlink()
        os.mkfifo(path)
        with reading(path) as file:
            send(sender, message())
            assert os.read(file, 4096).decode() == LINE


def test_a_full_pipe_blocks_nobody_and_what_is_left_follows_without_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    events = [happened(address=Endpoint("192.0.2.1", number + 1)) for number in range(5_000)]
    told, seen = message(*events), b""
    with reading(path) as file, sending(path) as sender:
        delivered = tries = 0
        while not delivered:
            tries += 1
            try:
                send(sender, told)
                delivered = 1
            except UndeliveredError as error:
                assert str(error) == f"{path} is full: nobody reads it fast enough"  # noqa: PT017
            seen += os.read(file, 1 << 20)
    assert tries > 2
    assert seen.decode() == "".join(lines(events))


@pytest.mark.parametrize("kind", ["file", "folder", "device"])
def test_what_is_no_fifo_is_never_written_to(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/null") if kind == "device" else tmp_path / "other"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    with sending(path) as sender, pytest.raises(RefusedError, match=r" is no FIFO$"):
        send(sender, message())
    if kind == "file":
        assert path.read_text() == "precious"


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with sending(tmp_path / "none/fifo") as sender, pytest.raises(UndeliveredError, match="no such file or directory"):
        send(sender, message())


def test_a_message_without_a_line_of_keepalived_needs_no_reader(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    with sending(path) as sender:
        send(sender, message(happened("warned", None, None)))
        assert not path.exists()


def test_a_pipe_that_is_let_go_of_while_a_thread_is_at_it_is_closed_by_the_thread(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with reading(path), sending(path) as sender:
        send(sender, message())
        with sender._lock:
            sender.close()
            assert sender._file >= 0
        sender._send(message())
        assert sender._file == -1
