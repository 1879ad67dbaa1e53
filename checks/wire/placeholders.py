"""Words in braces that stand for a probe's target: `/run/weights/{real_server}`. `{{address}}` is the text `{address}`.

Other braces are text: the `{print $1}` of awk, the `{"a": 1}` of JSON.
"""

import re
from collections.abc import Iterator

from checks import Target, UnusableError

NAMES = ("address", "port", "real_server", "virtual_server", "virtual_address", "virtual_port", "protocol", "fwmark")
FORM = re.compile(r"\{(\{[a-z_]+\})\}|\{([a-z_]+)\}")


def values(target: Target) -> dict[str, str]:
    """Return what the words stand for, by name: the target's own two, and what its context gives."""
    return {"address": target.address, "port": str(target.port), **dict(target.context)}


def filled(text: str, known: dict[str, str]) -> str:
    """Return the text with each word replaced. Raise UnusableError for one that means nothing here."""
    if "{" not in text:
        return text

    def replaced(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal is not None:
            return str(literal)
        if name not in known:
            raise UnusableError(f"{{{name}}} stands for nothing here")
        return known[name]

    return FORM.sub(replaced, text)


def misspelled(text: str) -> Iterator[str]:
    """Yield a sentence for each word in braces that never stands for anything."""
    for _, name in FORM.findall(text):
        if name and name not in NAMES:
            known = ", ".join(f"{{{each}}}" for each in NAMES)
            yield f"{{{name}}} stands for nothing; there are {known}, and {{{{{name}}}}} is the text {{{name}}}"
