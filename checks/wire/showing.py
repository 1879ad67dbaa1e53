"""What a server said, made fit for an operator's eyes and terminal."""

MOST = 60


def shown(data: bytes | str, most: int = MOST) -> str:
    """Return at most `most` characters on one line; what is no printable ASCII is escaped, an end left out is `...`."""
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    text = text.strip("\r\n")
    escaped = "".join(
        character if character.isascii() and character.isprintable() else _escape(character)
        for character in text[: most + 1]
    )
    return escaped if len(escaped) <= most and len(text) <= most else f"{escaped[: most - 3]}..."


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
