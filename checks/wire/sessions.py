"""What protocols of greeting, commands and goodbye share: TLS at once or by upgrade, credentials, leaving."""

import base64
from collections.abc import Iterator
from typing import Protocol

from checks import Conversation, Step, Tls, UnusableError, Verdict
from checks.options import Choice, Matching
from checks.wire.inbox import PeerError
from checks.wire.secrets import secret

USERNAME = Matching(r"[^\x00-\x1f\x7f]+", "a user's name")
PROXY_PROTOCOL = Choice(("v1", "v2"))


class RefusalError(PeerError):
    """The server answered as the protocol asks, but not what was hoped for: it can still be told goodbye."""


class Session(Protocol):
    """The options between which faults are looked for."""

    @property
    def tls(self) -> Tls | None:
        """TLS from the first byte."""

    @property
    def starttls(self) -> Tls | None:
        """TLS by upgrade."""


def parting(talk: Conversation, goodbye: bytes) -> Conversation:
    """Play a conversation and say goodbye without waiting for the answer; a PeerError is its failed verdict."""
    try:
        verdict = yield from talk
    except RefusalError as error:
        verdict = Verdict(False, str(error))
    except PeerError as error:
        return Verdict(False, str(error))
    yield Step(goodbye, at_least=0)
    return verdict


def tls_faults(check: Session) -> Iterator[tuple[str, str]]:
    """Yield the fault of asking for TLS twice."""
    if check.tls is not None and check.starttls is not None:
        yield "starttls", "there is tls, too, which begins TLS with the first byte; keep one of them"


def credential_faults(username: str | None, password_file: str | None) -> Iterator[tuple[str, str]]:
    """Yield the fault of half a pair of credentials."""
    if username is not None and password_file is None:
        yield "username", "there is no password_file to go with it"
    if password_file is not None and username is None:
        yield "password_file", "there is no username to go with it"


def password(path: str | None, *, without: bytes = b"\0", protocol: str = "the protocol") -> bytes:
    """Return the password in a file, or nothing where there is no file.

    Raise UnusableError where it cannot be read or holds one of the bytes of `without`, which `protocol` cannot carry.
    """
    if path is None:
        return b""
    content = secret("password_file", path)
    if any(byte in content for byte in without):
        raise UnusableError(f"password_file {path} holds a line end or a NUL, which {protocol} cannot carry")
    return content


def password_fault(path: str | None, *, without: bytes = b"\0", protocol: str = "the protocol") -> str | None:
    """Return what is wrong with a password's file, or None; for a check's `prepare`, with the words of `password`."""
    try:
        password(path, without=without, protocol=protocol)
    except UnusableError as error:
        return str(error)
    return None


def hidden(said: bytes, *secrets: bytes) -> bytes:
    """Return what a server said without these secrets: some repeat in an error what they were told."""
    for each in filter(None, secrets):
        said = said.replace(each, b"***")
    return said


def sasl_plain(username: str, secret_word: bytes) -> bytes:
    """Return the one message of SASL PLAIN, in base64 (RFC 4616)."""
    return base64.b64encode(b"\0" + username.encode() + b"\0" + secret_word)


def summary(said: str, *more: str) -> str:
    """Return the reason of a pass: what the server said, and what else was found well."""
    return ", ".join([said, *(each for each in more if each)])
