"""What a server said, made fit for an operator's eyes and terminal."""

from checks.wire.secrets import text_without_secrets, without_secrets

MOST = 60
LOOKED_AT = 4096
"""Bytes or characters of which the first are shown; a secret at their end is of no matter."""


def shown(data: bytes | str, most: int = MOST) -> str:
    """Return at most `most` characters on one line; what is no printable ASCII is escaped, an end left out is `...`.

    Secrets that are known to `wire.secrets` are left out.
    """
    if isinstance(data, bytes):
        text = without_secrets(data[:LOOKED_AT]).decode("latin-1")
    else:
        text = text_without_secrets(data[:LOOKED_AT])
    text = text.strip("\r\n")
    escaped = "".join(
        character if character.isascii() and character.isprintable() else _escape(character)
        for character in text[: most + 1]
    )
    return escaped if len(escaped) <= most and len(text) <= most else f"{escaped[: most - 3]}..."


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
