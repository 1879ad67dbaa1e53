"""TLS in memory: bytes in, bytes out, and whether the certificate is the server's. Contexts are made once and kept.

The chain is OpenSSL's to judge. The name is compared here, after the handshake and before the first byte of the
conversation, because OpenSSL refuses a wrong name without saying which names the certificate does have.
"""

import functools
import hashlib
import ipaddress
import os
import ssl
from dataclasses import replace
from typing import Any

from checks import Tls, UnusableError

READ_BYTES = 16384
"""The most that a TLS record carries (RFC 8446 section 5.1)."""
LOOK_AGAIN_SECONDS = 1.0
"""How long a context is used before its files' times are looked at again."""


class Contexts:
    """SSL contexts by settings, made when first asked for and made again when one of their files has changed."""

    def __init__(self) -> None:
        self._shared: dict[Tls, _Shared] = {}
        self._by_settings: dict[Tls, _Shared] = {}

    def get(self, settings: Tls, now: float) -> ssl.SSLContext:
        """Return the context; settings that differ in nothing but the server name share one. Raise UnusableError."""
        shared = self._by_settings.get(settings)
        if shared is None:
            if settings.server_name is not None:
                ascii_name(settings.server_name)
            nameless = replace(settings, server_name=None)
            shared = self._by_settings[settings] = self._shared.setdefault(nameless, _Shared(nameless))
        return shared.get(now)

    def keep_only(self, settings: set[Tls]) -> None:
        """Forget every context that none of these settings uses."""
        self._by_settings = {each: shared for each, shared in self._by_settings.items() if each in settings}
        used = {replace(each, server_name=None) for each in self._by_settings}
        self._shared = {each: shared for each, shared in self._shared.items() if each in used}


class _Shared:
    __slots__ = ("_context", "_fault", "_looked", "_settings", "_stamps")

    def __init__(self, settings: Tls) -> None:
        self._settings = settings
        self._context: ssl.SSLContext | None = None
        self._fault = ""
        self._stamps: tuple[object, ...] = ()
        self._looked = float("-inf")

    def get(self, now: float) -> ssl.SSLContext:
        recent = now - self._looked < LOOK_AGAIN_SECONDS
        if self._context is not None and recent:
            return self._context
        stamps = tuple(
            _stamp(name, path)
            for name in ("ca_file", "certificate_file", "key_file")
            if (path := getattr(self._settings, name)) is not None
        )
        if self._context is None and recent and self._fault and stamps == self._stamps:
            # Trying costs tens of milliseconds, of the loop's, and every probe of every server would try.
            raise UnusableError(self._fault)
        if self._context is None or stamps != self._stamps:
            self._context = None
            self._stamps = stamps
            self._looked = now
            try:
                self._context = make_context(self._settings)
            except UnusableError as error:
                self._fault = str(error)
                raise
        self._looked = now
        return self._context


def _stamp(name: str, path: str) -> tuple[int, int, int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116  a probe's start pays for no Path
    except OSError as error:
        raise UnusableError(f"{name} {path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise UnusableError(f"{name} {path!r}: {error}") from error
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size


def make_context(settings: Tls) -> ssl.SSLContext:
    """Make a client's context, TLS 1.2 or later; raise UnusableError with the file that is at fault."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
    if settings.alpn:
        try:
            context.set_alpn_protocols(list(settings.alpn))
        except (ssl.SSLError, UnicodeError) as error:
            raise UnusableError("alpn: a protocol's name is 1 to 255 ASCII characters (RFC 7301)") from error
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:
            raise UnusableError(f"ca_file {settings.ca_file} holds no PEM certificates") from error
    elif settings.verify:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if settings.certificate_file is not None:
        try:
            context.load_cert_chain(settings.certificate_file, settings.key_file, password=_no_password)
        except (OSError, ValueError) as error:
            what = settings.certificate_file
            if settings.key_file is not None:
                what += f" with key_file {settings.key_file}"
            raise UnusableError(f"certificate_file {what} is no PEM certificate with its unencrypted key") from error
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal."""
    raise ValueError("the key is encrypted")


@functools.lru_cache(maxsize=4096)
def ascii_name(name: str) -> str:
    """Return a host name as a handshake carries it: in ASCII, without a dot at its end (RFC 6066 section 3).

    Raise UnusableError.
    """
    try:
        encoded = name.encode("idna").decode("ascii").removesuffix(".")
    except UnicodeError as error:
        raise UnusableError(f"server_name {name} is not a host name") from error
    if not encoded or encoded.startswith(".") or len(encoded) > 253 or "\0" in encoded:
        raise UnusableError(f"server_name {name!r} is not a host name")
    return encoded


class TlsStream:
    """One client connection's TLS. `ended` is set once the peer has closed its side. Raise UnusableError for a name."""

    __slots__ = ("_incoming", "_name", "_object", "_outgoing", "_settings", "ended")

    def __init__(self, context: ssl.SSLContext, settings: Tls, address: str) -> None:
        self._settings = settings
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.ended = False
        try:
            name = None if settings.server_name is None else ascii_name(settings.server_name)
            self._name = name or address.partition("%")[0]
            # As bytes, it is taken for what `ascii_name` has made of it already.
            asked = None if name is None else name.encode("ascii")
            self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=asked)
        except ValueError as error:
            raise UnusableError(f"server_name {settings.server_name} is not a host name") from error

    def feed(self, data: bytes, *, ended: bool) -> None:
        """Take what came from the network."""
        if data:
            self._incoming.write(data)
        if ended:
            self._incoming.write_eof()

    def to_send(self) -> bytes:
        """Return what must go to the network."""
        return self._outgoing.read()

    def handshake(self) -> bool:
        """Go on with the handshake; return whether it is done. Raise ssl.SSLError."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def fault(self) -> str | None:
        """Return what is wrong with the peer although the handshake is done, in an operator's words."""
        if self._settings.alpn and self._object.selected_alpn_protocol() is None:
            return f"the server agreed to none of the offered protocols ({', '.join(self._settings.alpn)})"
        if not self._settings.verify:
            return None
        key = self.certificate(), self._name
        try:
            return _judged[key]
        except KeyError:
            if len(_judged) >= JUDGED_LIMIT:
                _judged.clear()
            fault = _judged[key] = name_fault(certificate_names(self._certificate()), self._name)
            return fault

    def write(self, data: bytes) -> None:
        """Encrypt. Raise ssl.SSLError."""
        self._object.write(data)

    def read(self) -> bytes:
        """Decrypt all that has come. Raise ssl.SSLError."""
        pieces = []
        try:
            while self._incoming.pending or self._incoming.eof or self._object.pending():
                piece = self._object.read(READ_BYTES)
                if not piece:
                    self.ended = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.ended = True  # many servers close without close_notify; a conversation knows whether it had it all
        return b"".join(pieces)

    def certificate(self) -> bytes:
        """Return the peer's own certificate in DER, or nothing where the handshake is not done or was refused."""
        try:
            return self._object.getpeercert(binary_form=True) or b""
        except ValueError:
            return b""

    def describe(self) -> str:
        """Return the certificate's names and last day; only its fingerprint where it was not verified."""
        encoded = self.certificate()
        if not encoded:
            return ""
        if not self._settings.verify:
            return f"not verified, sha256 {_fingerprint(encoded)}"
        certificate = self._certificate()
        return f"{_some(certificate_names(certificate))}, valid until {certificate.get('notAfter', 'an unknown day')}"

    def _certificate(self) -> dict[str, Any]:
        encoded = self._object.getpeercert(binary_form=True)
        if encoded is None:
            return {}
        known = _decoded.get(encoded)
        if known is None:
            if len(_decoded) >= DECODED_LIMIT:
                _decoded.clear()
            known = _decoded[encoded] = dict(self._object.getpeercert() or {})
        return known


JUDGED_LIMIT = 16384
_judged: dict[tuple[bytes, str], str | None] = {}
"""What is wrong with a certificate for a name: servers show the same one every time."""
DECODED_LIMIT = 1024
_decoded: dict[bytes, dict[str, Any]] = {}
"""Decoding is the dearest thing done after a handshake, and servers show the same certificate every time."""


@functools.lru_cache(maxsize=1024)
def _fingerprint(encoded: bytes) -> str:
    return hashlib.sha256(encoded).hexdigest()


def name_fault(names: list[str], name: str) -> str | None:
    """Say that a certificate is not for this name, unless it is."""
    if any(matches(pattern, name) for pattern in names):
        return None
    return f"certificate is for {_some(names)}, not {name}"


def certificate_names(certificate: dict[str, Any]) -> list[str]:
    """Return the DNS names and addresses of a certificate (RFC 9525 section 2: the subject's common name is none)."""
    return [
        value
        for kind, value in certificate.get("subjectAltName", ())
        if kind == "IP Address" or (kind == "DNS" and not _is_address(value))
    ]


def matches(pattern: str, name: str) -> bool:
    """Say whether a certificate's name covers a server's (RFC 9525 section 6.3).

    Addresses are equal or not. A `*` stands for exactly one whole left-most label, and never for part of an address.
    """
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(pattern.strip())
    except ValueError:
        pass
    if _is_address(name) or _is_address(pattern):
        return False
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if not pattern.startswith("*."):
        return "*" not in pattern and pattern == name
    label, _, rest = name.partition(".")
    return bool(label) and "." in rest and "*" not in rest and rest == pattern[2:]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip())
    except ValueError:
        return False
    return True


def _some(names: list[str]) -> str:
    if not names:
        return "no name"
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
