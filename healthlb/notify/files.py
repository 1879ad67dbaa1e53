"""Files that a way out needs: secrets, and what TLS trusts. All of it blocks, and is for a thread."""

import os
import socket
import ssl
from pathlib import Path

from healthlb.notify.sending import UndeliveredError

MOST = 65536


def content(option: str, path: str) -> str:
    """Return a file's text without the line end at its end. Raise UndeliveredError, which names the option."""
    try:
        if not Path(path).is_file():
            raise UndeliveredError(f"{option} {path} is not there, or no regular file")
        with Path(path).open("rb") as file:
            data = file.read(MOST + 1)
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise UndeliveredError(f"{option} {path}: {said(error)}") from error
    except ValueError as error:
        raise UndeliveredError(f"{option} {path} is not UTF-8 text, or has a name that no file can have") from error
    if len(data) > MOST:
        raise UndeliveredError(f"{option} {path} is longer than {MOST} bytes")
    if not text.strip():
        raise UndeliveredError(f"{option} {path} is empty")
    return text


def said(error: OSError) -> str:
    """Return what the system says of an error, in its words alone; libraries add addresses to it."""
    if error.errno is not None and error.errno > 0 and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno).lower()
    return (error.strerror or type(error).__name__).lower()


class Trust:
    """TLS settings that verify the peer, by a file's authorities or the system's; made anew when the file changes."""

    def __init__(self, ca_file: str | None) -> None:
        self._ca_file = ca_file
        self._known: tuple[tuple[int, ...], ssl.SSLContext] | None = None

    def context(self) -> ssl.SSLContext:
        """Return the settings; raise UndeliveredError where the file is no good."""
        try:
            stamp = _stamp(self._ca_file)
            if self._known is None or self._known[0] != stamp:
                self._known = stamp, ssl.create_default_context(cafile=self._ca_file)
        except ssl.SSLError as error:
            raise UndeliveredError(f"ca_file {self._ca_file} holds no certificates in PEM") from error
        except OSError as error:
            raise UndeliveredError(f"ca_file {self._ca_file}: {said(error)}") from error
        return self._known[1]


def _stamp(path: str | None) -> tuple[int, ...]:
    if path is None:
        return ()
    status = os.stat(path)  # noqa: PTH116  text in
    return status.st_mtime_ns, status.st_ino, status.st_size
