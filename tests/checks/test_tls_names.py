"""Whether a certificate is that of the server that was asked for (RFC 9525)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Tls
from checks.engine.tls import TlsStream, certificate_names, make_context, matches


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("web.example", "web.example", True),
        ("WEB.example", "web.EXAMPLE.", True),
        ("web.example", "other.example", False),
        ("*.example.org", "web.example.org", True),
        ("*.example.org", "a.web.example.org", False),
        ("*.example.org", "example.org", False),
        ("*.example.org", ".example.org", False),
        ("*.org", "example.org", False),
        ("w*.example.org", "web.example.org", False),
        ("*.*.org", "web.example.org", False),
        ("web.*.org", "web.example.org", False),
        ("*", "web", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", True),
        ("*.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "web.example", False),
    ],
)
def test_a_certificates_name_covers_a_servers_as_rfc_9525_says(pattern: str, name: str, covered: bool) -> None:
    assert matches(pattern, name) is covered


LABEL = st.from_regex(r"[a-z][a-z0-9-]{0,7}", fullmatch=True)


@given(st.lists(LABEL, min_size=3, max_size=5))
def test_a_wildcard_covers_one_label_and_no_more(labels: list[str]) -> None:
    name = ".".join(labels)
    rest = name.partition(".")[2]
    assert matches(f"*.{rest}", name)
    assert not matches(f"*.{rest}", f"more.{name}")
    assert not matches(f"*.{rest}", rest)


def test_an_address_counts_only_where_the_certificate_says_that_it_is_one() -> None:
    names = (("DNS", "127.0.0.1"), ("DNS", "web.example"), ("IP Address", "::1"), ("email", "root@web.example"))
    assert certificate_names({"subjectAltName": names}) == ["web.example", "::1"]
    assert certificate_names({}) == []


def test_a_certificate_without_names_says_so() -> None:
    class Nameless(TlsStream):
        def _certificate(self) -> dict[str, Any]:
            return {}

    tls = Tls(server_name="web.example")
    assert Nameless(make_context(Tls(verify=False)), tls, "").fault() == "certificate is for no name, not web.example"
