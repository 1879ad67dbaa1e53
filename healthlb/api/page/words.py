"""What the page says of a server in a word or a sentence, safe to show whatever the server sent."""

from healthlb.model.health import Health
from healthlb.model.snapshot import CheckStatus, RealServerStatus

LONGEST = 240
"""Characters of a reason that are shown in a row; the server's own view has all of it."""


def visible(text: str) -> str:
    r"""Return a text whose control characters, and what turns or hides text, are escapes: `\x1b`, `\u202e`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return a text in one visible line, cut after so many characters."""
    shown = visible(text[: longest + 1].replace("\n", "\\n"))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def urgent(checks: tuple[CheckStatus, ...]) -> CheckStatus | None:
    """Return the check to look at: one that is down, fails, cannot be probed, has no verdict, warns; else the first."""
    return min(checks, key=_urgency, default=None)


def reason(server: RealServerStatus) -> str:
    """Return why a server is not as it should be, in one line: the most urgent check's sentence; "" when all is well.

    One whose checks say nothing may still wait for the table.

    It stays the same from one result to the next where nothing changes.
    """
    check = urgent(server.checks)
    said = "" if check is None else _said(check)
    if check is not None and said:
        return one_line(f"{check.name}: {said}")
    wanted, there = server.weight.effective, server.weight.kernel
    if wanted == there:
        return ""
    return "its row is to go" if wanted is None else f"its row is to have weight {wanted}"


def _urgency(check: CheckStatus) -> int:
    if check.health is Health.DOWN:
        return 0
    if check.last is not None and not check.last.passed:
        return 1
    if check.unsent_reason:
        return 2
    if check.health is Health.UNKNOWN:
        return 3
    return 4 if check.warning else 5


def _said(check: CheckStatus) -> str:
    last = check.last
    if last is not None and not last.passed:
        return last.reason
    if check.unsent_reason:
        return f"cannot be probed: {check.unsent_reason}"
    if last is None and check.health is not Health.UP:
        return "not probed since the start" if check.health is Health.DOWN else "not probed yet"
    if last is not None and check.health is Health.DOWN:
        return f"passes again: {last.reason}"
    if last is not None and check.health is Health.UNKNOWN:
        return f"no verdict yet: {last.reason}"
    return f"warning: {check.warning}" if check.warning else ""


def counted(number: int, one: str, many: str = "") -> str:
    """Return `1 server`, `2 servers`."""
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


def age(seconds: float) -> str:
    """Return a length of time in its two largest units: `4 min 12 s`."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts[:2])


def scaled(number: float) -> str:
    """Return a number in three digits or so: `999`, `1.2 k`, `34 M`."""
    for unit in ("", "k", "M", "G", "T"):
        if number < 999.5:
            shown = f"{number:.1f}" if unit and number < 9.95 else f"{number:.0f}"
            return f"{shown} {unit}".rstrip()
        number /= 1000
    return f"{number:.0f} P"


def bytes_a_second(number: float) -> str:
    """Return a rate: `12 B/s`, `1.2 kB/s`."""
    shown = scaled(number)
    return f"{shown}B/s" if shown[-1].isalpha() else f"{shown} B/s"


def milliseconds(seconds: float) -> str:
    """Return how long something took: `1.2 ms`, `350 ms`, `2.5 s`."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
