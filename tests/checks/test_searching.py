"""A search with an operator's regular expression means what `re` means by it, and ends in time."""

import re
import warnings

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from checks.wire.inbox import PeerError
from checks.wire.searching import found, prepare_to_search

PIECES = [
    *(
        "a",
        "b",
        ".",
        "^",
        "$",
        "|",
        "(",
        ")",
        "(?:",
        "[",
        "]",
        "[^",
        "-",
        "*",
        "+",
        "?",
        "{",
        "}",
        "{2}",
        "{1,2}",
        "{,2}",
    ),
    *(
        "{e}",
        "{e<=1}",
        "{i}",
        "{s<=2,i}",
        "[[:alpha:]]",
        r"\d",
        r"\w",
        r"\{",
        r"\b",
        r"\Z",
        "(?i)",
        "(?=a)",
        "(?!a)",
        ",",
        "&&",
    ),
    *("~~", "||", "--", "\\", "{{", "}}", "(?P<n>a)", r"\1", "(?s:.)", ":", " ", "\n", "#", "(?x)", "2", "e", "ß", "É"),
]


def compiled(pattern: str) -> re.Pattern[str] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return re.compile(pattern)
        except (re.error, OverflowError):
            return None


@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.lists(st.sampled_from([*"ab{}e12,:&~ \n-ßÉéis<="]), max_size=10),
)
def test_a_pattern_finds_what_it_finds_elsewhere(pattern: str, text: list[str]) -> None:
    known = compiled(pattern)
    assume(known is not None)
    assert known is not None
    assert found(known, "".join(text)) == (known.search("".join(text)) is not None)


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(?:a|a)*$", r"(a*)*\1$", r"(.*a){12}$"])
def test_a_pattern_that_would_take_for_ever_is_told(pattern: str) -> None:
    with pytest.raises(
        PeerError, match=r"^the regular expression /.*/ took more than 50ms to search 65536 characters$"
    ):
        found(re.compile(pattern), "a" * 65535 + "b")


def test_what_searches_can_be_prepared() -> None:
    prepare_to_search()
