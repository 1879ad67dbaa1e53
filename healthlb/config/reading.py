"""Reads a file's text whole, or says in one sentence why it cannot be one of ours.

Nothing here takes unbounded time: a FIFO is not waited for, a huge file is not read, and each call into C is short
enough to let probes run beside it.
"""

import codecs
import os
import re
import stat
from collections.abc import Iterator

from healthlb.config.nodes import Malformed

LARGEST = 16 * 2**20
PIECE = 2**18
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


class Unreadable(Exception):  # noqa: N818 - not an error of ours but a property of the file
    """The file as a whole cannot be used; the argument is the sentence."""


def read_bytes(path: str) -> bytes:
    """Return the file's bytes; raise Unreadable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Unreadable("there is no such file") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return _read(descriptor)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable("is a directory; name the file in it")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is not a regular file")
    pieces = []
    room = LARGEST + 1
    if status.st_size <= LARGEST:
        while room > 0 and (piece := os.read(descriptor, min(PIECE, room))):
            pieces.append(piece)
            room -= len(piece)
    if status.st_size > LARGEST or room <= 0:
        raise Unreadable(f"is larger than {LARGEST // 2**20} MiB, so it is surely not the file that was meant")
    return b"".join(pieces)


def decode(data: bytes) -> str:
    """Return the text; raise Malformed at the first byte or character that a text file does not hold."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise Malformed(0, 0, "the file is UTF-16; save it as UTF-8")
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    decoded: list[str] = []
    for start in range(0, max(len(data), 1), PIECE):
        piece = data[start : start + PIECE]
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(piece, final=start + PIECE >= len(data))
        except UnicodeDecodeError as error:
            offset = start - pending + error.start
            before = data[data.rfind(b"\n", 0, offset) + 1 : offset]
            raise Malformed(
                data.count(b"\n", 0, offset),
                len(before.decode("utf-8-sig", "replace")),
                f"the byte 0x{data[offset]:02x} at offset {offset} is not UTF-8; save the file as UTF-8",
            ) from None
        found = CONTROL.search(text)
        if found is not None:
            before_it = "".join([*decoded, text[: found.start()]])
            raise Malformed(
                before_it.count("\n"),
                found.start() + sum(map(len, decoded)) - (before_it.rfind("\n") + 1),
                f"the control character U+{ord(found[0]):04X} has no place in the file",
            )
        decoded.append(text)
    return "".join(decoded)


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines without their ends."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    yield text[start:]
