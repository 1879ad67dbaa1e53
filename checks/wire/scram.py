"""SCRAM-SHA-256 as a client, without channel binding (RFC 5802, RFC 7677)."""

import functools
import hashlib
import hmac
import os
import stringprep
import unicodedata
from base64 import b64decode, b64encode

from checks.wire.inbox import PeerError

MOST_ITERATIONS = 65536
"""What a server may ask for, because the time is the director's; PostgreSQL asks for 4096 unless told otherwise."""
NO_CHANNEL_BINDING = b"n,,"
NONCE_BYTES = 18
PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


class Scram:
    """One exchange. `user` is empty where the protocol around it has named the user already (PostgreSQL)."""

    def __init__(self, password: bytes, user: str = "", nonce: bytes = b"") -> None:
        self._password = prepared(password)
        self._nonce = nonce or b64encode(os.urandom(NONCE_BYTES))
        name = user.replace("=", "=3D").replace(",", "=2C").encode()
        self._first = b"n=" + name + b",r=" + self._nonce
        self._signature = b""

    def first(self) -> bytes:
        """Return the client's first message."""
        return NO_CHANNEL_BINDING + self._first

    def final(self, challenge: bytes) -> bytes:
        """Answer the server's first message. Raise PeerError."""
        nonce, salt, iterations = _challenge(challenge)
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise PeerError("the server answered another login (SCRAM nonce)")
        if not 1 <= iterations <= MOST_ITERATIONS:
            raise PeerError(f"the server asks for {iterations} rounds of SCRAM; at most {MOST_ITERATIONS} are done")
        salted = _salted(self._password, salt, iterations)
        without_proof = b"c=" + b64encode(NO_CHANNEL_BINDING) + b",r=" + nonce
        everything = self._first + b"," + challenge + b"," + without_proof
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(client_key).digest(), everything)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._signature = _hmac(_hmac(salted, b"Server Key"), everything)
        return without_proof + b",p=" + b64encode(proof)

    def verify(self, last: bytes) -> None:
        """Take the server's last message, which proves that it knows the password, too. Raise PeerError."""
        proof = last.split(b",")[0]
        if not self._signature or not hmac.compare_digest(proof, b"v=" + b64encode(self._signature)):
            raise PeerError("the server does not know the password itself (SCRAM signature)")


def prepared(password: bytes) -> bytes:
    """Return a password by SASLprep (RFC 4013), or as it is where that prohibits it, as PostgreSQL does."""
    try:
        text = password.decode()
    except UnicodeDecodeError:
        return password
    if text.isascii():
        return password
    spaced = "".join(" " if stringprep.in_table_c12(character) else character for character in text)
    mapped = "".join(character for character in spaced if not stringprep.in_table_b1(character))
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not normal or any(table(character) for table in PROHIBITED for character in normal) or not _one_way(normal):
        return password
    return normal.encode()


def _one_way(text: str) -> bool:
    """Say whether the text mixes no writing directions (RFC 3454 section 6)."""
    if not any(stringprep.in_table_d1(character) for character in text):
        return True
    mixed = any(stringprep.in_table_d2(character) for character in text)
    return not mixed and stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])


def _challenge(message: bytes) -> tuple[bytes, bytes, int]:
    """Return nonce, salt and rounds of `r=…,s=…,i=…`. Raise PeerError."""
    fields = message.split(b",")[:3]
    if [field[:2] for field in fields] != [b"r=", b"s=", b"i="]:
        raise PeerError("malformed SCRAM challenge")
    nonce, salt, iterations = (field[2:] for field in fields)
    try:
        return nonce, b64decode(salt, validate=True), int(iterations) if iterations.isdigit() else 0
    except ValueError as error:
        raise PeerError("malformed SCRAM challenge") from error


@functools.lru_cache(maxsize=1024)
def _salted(password: bytes, salt: bytes, iterations: int) -> bytes:
    """Return Hi() of RFC 5802 section 2.2, which costs milliseconds; a server's salt for a user stays the same."""
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, "sha256").digest()
