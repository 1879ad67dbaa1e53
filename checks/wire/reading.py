"""What a check that goes by a file and the carrier of files say to each other."""

from typing import Protocol

from checks import Target, Verdict

MOST_BYTES = 4096
"""What is read of a file."""


class ReadsFile(Protocol):
    """A check whose carrier is `file`."""

    def file(self, target: Target) -> str:
        """Return the absolute path to go by, without looking at the disk. May raise UnusableError."""

    def judge(self, content: bytes | None) -> Verdict:
        """Judge the file's first bytes, None where there is no file. UnusableError: it says nothing of the server."""
