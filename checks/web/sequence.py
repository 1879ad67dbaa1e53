"""How a check with several requests says what became of them."""

from checks import Verdict
from checks.web.plan import Asking


def failed(number: int, asking: Asking, reason: str) -> Verdict:
    """Return the verdict that names the request that failed, counted from 1."""
    return Verdict(False, f"request {number} ({asking.name}): {reason}")


def passed(count: int, last: Verdict) -> Verdict:
    """Return the verdict on so many requests that all passed."""
    return Verdict(True, f"{last.reason}, the last of {count} requests")
