"""Searches with an operator's regular expression that end in time, whatever the pattern and whatever a server sent.

`re` cannot be stopped and holds every other probe meanwhile, so the `regex` library searches, which looks at the clock.
It is given nothing but what `re` compiled, spelt so that it means the same there.
"""

import functools
import re
from typing import Any

from checks.wire.inbox import PeerError
from checks.wire.showing import shown

SEARCH_SECONDS = 0.05
"""How long one search may take."""
REPEAT = re.compile(r"\{(?:[0-9]+(?:,[0-9]*)?|,[0-9]*)\}")
ESCAPED_OR_SET_OR_BRACE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{", re.DOTALL)
PATTERNS_KEPT = 1024


def found(pattern: re.Pattern[str], text: str) -> bool:
    """Say whether a pattern is found in a text. Raise PeerError if that takes longer than SEARCH_SECONDS."""
    try:
        return _compiled(pattern).search(text, timeout=SEARCH_SECONDS) is not None
    except TimeoutError:
        took = f"took more than {SEARCH_SECONDS * 1000:.0f}ms to search"
        raise PeerError(
            f"the regular expression /{shown(pattern.pattern, 40)}/ {took} {len(text)} characters"
        ) from None


def prepare_to_search() -> None:
    """Import what searches; for a check's `prepare`."""
    import regex  # noqa: F401, PLC0415  paid for only where somebody searches


@functools.lru_cache(maxsize=PATTERNS_KEPT)
def _compiled(pattern: re.Pattern[str]) -> Any:
    import regex  # noqa: PLC0415  paid for only where somebody searches

    flags = regex.VERSION0
    for ours, theirs in (
        (re.IGNORECASE, regex.IGNORECASE),
        (re.MULTILINE, regex.MULTILINE),
        (re.DOTALL, regex.DOTALL),
        (re.VERBOSE, regex.VERBOSE),
        (re.ASCII, regex.ASCII),
    ):
        if pattern.flags & ours:
            flags |= theirs
    return regex.compile(ESCAPED_OR_SET_OR_BRACE.sub(_literally, pattern.pattern), flags)


def _literally(match: re.Match[str]) -> str:
    """Escape a brace that repeats nothing, which `regex` would read as approximate matching."""
    if match[0] == "{" and REPEAT.match(match.string, match.start()) is None:
        return r"\{"
    if match[0].startswith("["):
        return match[0][0] + match[0][1:].replace("[:", r"\[:")
    return match[0]
