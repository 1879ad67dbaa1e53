"""The words by which a server, or a file, says how much work it wants: HAProxy's agent text.

Words are separated by spaces, tabs and commas; letter case does not matter; of two words of one kind the last one
counts; `#` begins a description up to the end (HAProxy configuration manual, `agent-check`).
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from checks import MOST_WEIGHT, Feedback
from checks.wire.showing import shown

LINE_END = re.compile(rb"[\r\n]")
SEPARATORS = re.compile(r"[ \t,]+")
DESCRIPTION = re.compile(r"(?:^|[ \t,])#")
DOWN = frozenset({"down", "failed", "fail", "stopped"})
"""The manual says `failed` where the program itself takes `fail`; both are meant."""
PERCENT = re.compile(r"[0-9]{1,9}%", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
MOST_PERCENT = 25600
"""What HAProxy lowers a greater share to."""


@dataclass(frozen=True, slots=True)
class Said:
    """One line, understood. `health` is its last word on that, or empty; `unknown` its first word that is none."""

    health: str = ""
    admin: Literal["ready", "drain", "maint"] | None = None
    weight: int | None = None
    percent: bool = False
    maxconn: str = ""
    unknown: str = ""
    description: str = ""

    @property
    def down(self) -> bool:
        """Say whether the line takes the server down."""
        return self.health in DOWN

    @property
    def nothing(self) -> bool:
        """Say whether no word of the line is understood."""
        return not (self.health or self.admin or self.maxconn) and self.weight is None

    @property
    def feedback(self) -> Feedback | None:
        """Return what it says of weight and admin state, or None where it says nothing."""
        if self.weight is None and self.admin is None:
            return None
        return Feedback(self.weight, self.percent, self.admin)

    def __str__(self) -> str:
        weight = "" if self.weight is None else f"{self.weight}%" if self.percent else f"weight {self.weight}"
        words = ", ".join(word for word in (self.health, self.admin or "", weight, shown(self.maxconn)) if word)
        return f"{words} ({shown(self.description)})" if self.description else words


def first_line(data: bytes) -> bytes:
    """Return what is before the first CR or LF."""
    return LINE_END.split(data, maxsplit=1)[0]


def understood(line: bytes, *, weights: bool = False) -> Said:
    """Take a line apart. With `weights` a bare number is a weight of IPVS's own, 0-65535; else it is unknown."""
    text = line.decode("latin-1")
    described = DESCRIPTION.search(text)
    words = text if described is None else text[: described.start()]
    found: dict[str, Any] = {"unknown": ""}
    for word in SEPARATORS.split(words):
        if word:
            found.update(_meaning(word.lower(), weights=weights) or {"unknown": found["unknown"] or word})
    return Said(**found, description="" if described is None else text[described.end() :].strip())


def _meaning(word: str, *, weights: bool) -> dict[str, Any] | None:
    if word == "up" or word in DOWN:
        return {"health": word}
    if word in ("ready", "drain", "maint"):
        return {"admin": word}
    if PERCENT.fullmatch(word):
        return {"weight": min(int(word[:-1]), MOST_PERCENT), "percent": True}
    if weights and NUMBER.fullmatch(word) and int(word) <= MOST_WEIGHT:
        return {"weight": int(word), "percent": False}
    if word.startswith("maxconn:"):
        return {"maxconn": word}
    return None
