"""What a reload says that it changed."""

from dataclasses import replace

from healthlb.daemon.changes import changes
from healthlb.model.config import Quorum
from healthlb.model.endpoint import Endpoint
from healthlb.model.notifiers import Fifo, Notifier
from tests.daemon.rig import OTHER, WEB1, WEB2, WEB3, config, shop, web


def test_what_is_equal_is_no_change() -> None:
    assert changes(config(shop()), config(shop())) == ()


def test_virtual_servers_and_sections_are_told_by_name() -> None:
    before, after = config(shop(), shop(name="old", key=OTHER)), config(shop(), shop(name="new", key=OTHER))
    assert changes(before, after) == ("old removed", "new added")
    assert changes(config(shop()), config(shop(), resync=1.0)) == ("director section changed",)
    pager = {"pager": Notifier("pager", Fifo("/run/pager"), frozenset())}
    assert changes(config(shop()), replace(config(shop()), notifiers=pager)) == ("notifiers section changed",)
    assert changes(config(shop()), config(shop(key=OTHER))) == (f"shop: now {OTHER}",)


def test_a_virtual_servers_own_settings_are_told_beside_its_real_servers() -> None:
    before, after = shop(web(WEB1), web(WEB2)), shop(web(WEB2, weight=3), web(WEB3))
    servers = f"real server {WEB1} removed, real server {WEB3} added, real server {WEB2} changed"
    assert changes(config(before), config(after)) == (f"shop: {servers}",)
    stricter = replace(after, quorum=Quorum(2, 0))
    assert changes(config(before), config(stricter)) == (f"shop: settings changed, {servers}",)


def test_another_order_of_the_real_servers_is_told_as_that() -> None:
    assert changes(config(shop(web(WEB1), web(WEB2))), config(shop(web(WEB2), web(WEB1)))) == (
        "shop: real servers in another order",
    )


def test_a_change_to_a_great_pool_is_one_short_line() -> None:
    many = [Endpoint("192.0.2.9", port) for port in range(1, 1001)]
    before, after = shop(*map(web, many)), shop(*[web(each, weight=2) for each in many])
    assert changes(config(before), config(after)) == ("shop: 1000 real servers changed",)
