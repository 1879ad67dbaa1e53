"""What a plain YAML scalar means: the core schema of YAML 1.2 (section 10.3.2), not that of YAML 1.1.

So `on`, `yes` and `1:30` are text. `012` is text too: YAML 1.1 reads it as 10 and YAML 1.2 as 12, and a number that
depends on the reader is no number here. `${NAME}` and `${NAME:-default}` are replaced first; `$$` stands for `$`.
"""

import re
from collections.abc import Callable

WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
FIRST_OF_NUMBER = frozenset("+-.0123456789")
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
BASED = re.compile(r"0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}", re.ASCII)
REAL = re.compile(r"[-+]?(\.[0-9]{1,40}|(0|[1-9][0-9]{0,40})(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?", re.ASCII)
VARIABLE = re.compile(r"\$(?:\$|\{(?P<inside>[^}]*)(?P<end>\}?))")
INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)


def resolve(text: str) -> bool | int | float | str | None:
    """Return what a plain scalar means."""
    if text in WORDS:
        return WORDS[text]
    if text[0] not in FIRST_OF_NUMBER:
        return text
    if WHOLE.fullmatch(text):
        return int(text)
    if BASED.fullmatch(text):
        return int(text, 0)
    if REAL.fullmatch(text):
        return float(text)
    return text


def expand(text: str, variable: Callable[[str], str | None]) -> str:
    """Replace the environment's variables; ValueError says which one is unset or misspelt."""

    def replace(match: re.Match[str]) -> str:
        if match["inside"] is None:
            return "$"
        inside = INSIDE.fullmatch(match["inside"]) if match["end"] else None
        if inside is None:
            raise ValueError(
                "'${' begins a variable such as ${NAME} or ${NAME:-default}; for the characters themselves write '$${'"
            )
        value = variable(inside["name"])
        if inside["default"] is not None:
            return value or inside["default"].removeprefix(":-")
        if value is None:
            raise ValueError(
                f"the environment variable {inside['name']} is not set; "
                f"set it, or give a default: ${{{inside['name']}:-default}}"
            )
        return value

    return VARIABLE.sub(replace, text)
