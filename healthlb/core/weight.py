"""What a server says of its own weight, and what that makes of the configured one.

In this order, and nothing else:

1. the configured weight, or an operator's in its place; 0 is the operator's word and stays 0, whatever follows;
2. feedback, what a check heard the server say of itself. A weight replaces the configured one; a percentage is a share
   of it, rounded, and at least 1 unless it is 0 %. Nothing passes 65535 (ipvsadm(8), -w);
3. admin state: `drain` and `maint` give 0, `ready` takes that back.

What comes before and after is told by `core.policy`.

Where several checks of one server give feedback, each is reckoned from the configured weight by itself and the smallest
result counts: a server gets no more than any of its checks would let it have. Feedback stays as it was said until the
same check says something else; it takes effect at once, as it needs no run of results to be believed.
"""

from collections.abc import Collection

from healthlb.model.health import Feedback

MOST_WEIGHT = 65535


def merge(before: Feedback | None, news: Feedback) -> Feedback:
    """Return what is said after news: what it leaves out stays as it was."""
    if before is None:
        return news
    admin = before.admin if news.admin is None else news.admin
    if news.weight is None:
        return Feedback(before.weight, before.percent, admin)
    return Feedback(news.weight, news.percent, admin)


def weight_of(configured: int, feedback: Collection[Feedback]) -> int:
    """Return the weight of a server that is up."""
    if not feedback:
        return configured
    return min([_told(configured, each) for each in feedback])


def is_drained(configured: int, feedback: Collection[Feedback]) -> bool:
    """Whether feedback alone takes new connections away from a server that is configured to have some."""
    return configured > 0 and weight_of(configured, feedback) == 0


def _told(configured: int, feedback: Feedback) -> int:
    if configured == 0 or feedback.admin in {"drain", "maint"}:
        return 0
    if feedback.weight is None:
        return configured
    if not feedback.percent:
        return max(0, min(feedback.weight, MOST_WEIGHT))
    if feedback.weight <= 0:
        return 0
    return max(1, min((configured * feedback.weight + 50) // 100, MOST_WEIGHT))
