"""Which real servers an operator means."""

from dataclasses import replace

import pytest

from healthlb.daemon.targets import Found, find
from healthlb.model.changes import ChangeOutcome, Target
from healthlb.model.config import Config
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Scope
from tests.daemon.rig import OTHER, WEB1, WEB2, config, shop, web

SECURE = Endpoint("192.0.2.1", 443)
SIX = Endpoint("2001:db8::1", 80)
SORRY = Endpoint("192.0.2.9", 80)
CONFIG: Config = config(
    replace(
        shop(web(WEB1, name="web1"), web(SECURE, name="web1-tls"), web(WEB2), web(SIX, name="six")),
        sorry_servers=(web(SORRY, name="sorry"),),
    ),
    shop(web(WEB1), key=OTHER, name="mail"),
)


def found(real_server: str, pool: str | None = "shop") -> Found:
    answer = find(CONFIG, Target(real_server, pool))
    assert isinstance(answer, Found), answer
    return answer


def refused(real_server: str, pool: str | None = "shop") -> ChangeOutcome:
    answer = find(CONFIG, Target(real_server, pool))
    assert isinstance(answer, ChangeOutcome), answer
    return answer


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("web1", "web1"),
        ("192.0.2.1:80", "web1"),
        ("192.0.2.1:443", "web1-tls"),
        ("192.0.2.2", "192.0.2.2:80"),
        ("192.0.2.2:80", "192.0.2.2:80"),
        ("six", "six"),
        ("2001:db8::1", "six"),
        ("2001:DB8:0::1", "six"),
        ("[2001:db8::1]", "six"),
        ("[2001:db8::1]:80", "six"),
        ("sorry", "sorry"),
    ],
)
def test_a_server_of_a_pool_is_meant_by_its_name_or_its_address(text: str, name: str) -> None:
    answer = found(text)
    assert answer.pairs == (("shop", name),)
    assert answer.scope.virtual_server == "shop"
    assert answer.scope.port is not None


def test_an_address_that_several_servers_have_stands_for_none_until_it_says_which() -> None:
    assert refused("192.0.2.1") == ChangeOutcome(
        "refused",
        "'192.0.2.1' is several real servers of shop: web1 (192.0.2.1:80), web1-tls (192.0.2.1:443); name one of them.",
        wrong=True,
    )


def test_a_name_that_nothing_has_is_answered_with_the_nearest() -> None:
    assert refused("web-1").message == "shop has no real server 'web-1'; did you mean web1?"
    assert refused("zzz").message == "shop has no real server 'zzz'."
    assert refused("web1", "shpo").message == "There is no virtual server 'shpo'; did you mean shop?"
    assert refused("web1", "zzz").result == "unknown"


def test_no_address_is_proposed_for_another_one_which_would_be_another_machine() -> None:
    assert refused("192.0.2.22").message == "shop has no real server '192.0.2.22'."
    assert refused("192.0.2.3:80").message == "shop has no real server '192.0.2.3:80'."


@pytest.mark.parametrize("text", ["", "::::", "[", "192.0.2.1:", "192.0.2.1:99999", "x" * 9999, "\0", "[2001:db8::1]x"])
def test_nonsense_is_unknown_in_a_pool_and_no_machine(text: str) -> None:
    assert refused(text).result == "unknown"
    assert refused(text, None).result == "refused"
    assert len(refused(text, None).message) < 600
    assert (refused(text).message + refused(text, None).message).isprintable()


def test_a_machine_is_meant_by_its_address_wherever_it_appears() -> None:
    assert found("192.0.2.1", None).scope == Scope(None, "192.0.2.1", None)
    assert found("192.0.2.1", None).pairs == (("shop", "web1"), ("shop", "web1-tls"), ("mail", "192.0.2.1:80"))
    assert found("192.0.2.1:80", None).pairs == (("shop", "web1"), ("mail", "192.0.2.1:80"))
    assert found("192.0.2.77", None).pairs == ()
    assert found("[2001:db8::1]", None).pairs == (("shop", "six"),)


def test_a_machine_is_not_meant_by_a_name() -> None:
    answer = refused("web1", None)
    assert (answer.result, answer.wrong) == ("refused", True)
    assert answer.message.startswith("'web1' stands for no machine: ")


def test_what_is_meant_is_shown_as_operators_call_it() -> None:
    assert str(found("web1")) == "web1 (192.0.2.1:80) in shop"
    assert str(found("192.0.2.1", None)) == "192.0.2.1"
