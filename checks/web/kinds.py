"""The kinds of options that only checks over HTTP have."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from checks.options import Matching, Text, name_of

NAME_FORM = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
VALUE_FORM = r"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?"

METHOD = Matching(NAME_FORM, "a method such as GET or HEAD")
PATH = Matching(
    r"(?:/|https?://)[!\"$-~]*|\*",
    "a path that begins with / and has neither spaces nor # (percent-encode what it lacks)",
)
HOST = Matching(r"[!-.0-~]+", "a host name or address, with or without :port")
VALUE = Matching(VALUE_FORM, "a header's value: one line of Latin-1 text without spaces at its ends")
USERNAME = Matching(r"[^:\x00-\x1f\x7f]+", "a user's name without : in it")

HEX_DIGITS = {"sha256": 64, "md5": 32}
"""The digests that are computed, and how many hexadecimal digits each has."""


@dataclass(frozen=True, slots=True)
class HttpVersion:
    """The version 1.0, 1.1 or 2 of HTTP, as text or as the number that YAML makes of it; parsed to text."""

    def parse(self, value: Any) -> str:
        """Take one of the versions."""
        if not isinstance(value, bool) and isinstance(value, int | float | str):
            version = "2" if value == 2 else str(value)
            if version in ("1.0", "1.1", "2"):
                return version
        raise ValueError(f"expected 1.0, 1.1 or 2, found {name_of(value)}")

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"enum": ["1.0", "1.1", "2", 1.0, 1.1, 2]}


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest such as `sha256:9f86…` or `md5:098f…`; parsed to (algorithm, hexadecimal digits in lower case)."""

    def parse(self, value: Any) -> tuple[str, str]:
        """Take an algorithm, a colon and as many hexadecimal digits as it has."""
        text = Text().parse(value)
        algorithm, _, digits = text.partition(":")
        if len(digits) == HEX_DIGITS.get(algorithm) and re.fullmatch(r"[0-9A-Fa-f]+", digits):
            return algorithm, digits.lower()
        for name, length in HEX_DIGITS.items():
            if re.fullmatch(rf"[0-9A-Fa-f]{{{length}}}", text):
                raise ValueError(f"expected the algorithm, too: {name}:{text}")
        forms = " or ".join(f"{name}: and {length} hexadecimal digits" for name, length in HEX_DIGITS.items())
        raise ValueError(f"expected {forms}, found {name_of(value.encode('unicode_escape').decode('ascii'))}")

    def show(self, value: tuple[str, str]) -> str:
        """Return a digest as the file spells it."""
        return ":".join(value)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        forms = "|".join(f"{name}:[0-9A-Fa-f]{{{length}}}" for name, length in HEX_DIGITS.items())
        return {"type": "string", "pattern": f"^(?:{forms})$"}


@dataclass(frozen=True, slots=True)
class JsonScalar:
    """A text, number, true, false or null; parsed to its JSON text, because to Python 1, 1.0 and true are equal."""

    def parse(self, value: Any) -> str:
        """Take a scalar that JSON has (RFC 8259: neither infinity nor NaN)."""
        if isinstance(value, str):
            return json.dumps(Text(empty=True).parse(value))
        if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return json.dumps(value)
        raise ValueError(f"expected text, a number, true, false or null, found {name_of(value)}")

    def show(self, value: str) -> str:
        """Return a value as the file spells it."""
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {"type": ["string", "number", "boolean", "null"]}
