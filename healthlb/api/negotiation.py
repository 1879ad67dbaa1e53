"""What a client takes, and what it has already: the request headers of RFC 9110 sections 8.8, 12.5 and 13.1."""

import re
from collections.abc import Iterable

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def acceptable(accept: str, offered: Iterable[str]) -> bool:
    """Say whether an Accept takes any of the media types that are offered; the most specific range counts.

    RFC 9110 section 12.5.1. One that is empty takes all.
    """
    weights = dict(map(_weighed, filter(str.strip, accept.lower().split(","))))
    return not weights or any(_weight(weights, each) > 0 for each in offered)


def names(accept: str, kind: str) -> bool:
    """Say whether an Accept names a media type itself, with a weight above 0; one that takes anything does not."""
    return dict(map(_weighed, accept.lower().split(","))).get(kind, 0.0) > 0


def takes_gzip(accept_encoding: str) -> bool:
    """Say whether an Accept-Encoding names gzip with a weight above 0 (RFC 9110 section 12.5.3)."""
    for offer in accept_encoding.lower().split(","):
        coding, _, parameters = offer.partition(";")
        if coding.strip() == "gzip":
            return "".join(parameters.split()).rstrip("0") not in {"q=", "q=0."}
    return False


def known(if_none_match: Iterable[str], tag: str) -> bool:
    """Say whether a client has what a weak tag stands for (RFC 9110 sections 8.8.3.2 and 13.1.2)."""
    opaque = tag.removeprefix("W/")
    return any(given.strip() == "*" or opaque in _TAG.findall(given) for given in if_none_match)


def _weighed(one: str) -> tuple[str, float]:
    kind, *parameters = one.split(";")
    for each in parameters:
        name, _, value = each.strip().partition("=")
        if name == "q":
            return kind.strip(), _number(value)
    return kind.strip(), 1.0


def _number(text: str) -> float:
    """Return a weight; one that is none is taken for 1."""
    return float(text) if re.fullmatch(r"[01](?:\.[0-9]{0,3})?", text) else 1.0


def _weight(weights: dict[str, float], offered: str) -> float:
    kind = offered.partition(";")[0]
    for each in (kind, kind.partition("/")[0] + "/*", "*/*"):
        if each in weights:
            return weights[each]
    return 0.0
