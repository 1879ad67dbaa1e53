"""What the file says, and what operators added and removed at run time, come to one configuration."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.amend import Built, amend, label, to_build, without_removed
from healthlb.model.config import Api, Config, Director, Listener, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Addition, Orders, Override, Removal, Scope
from healthlb.model.table import Method, Service, ServiceKey
from tests.strategies import real_server

WEB = [Endpoint(f"192.0.2.{number}", 80) for number in range(1, 6)]
DRAINED = Override(Scope(None, "192.0.2.1", None), "drain")
addresses = st.sampled_from(WEB)
names = st.sampled_from(["shop", "mail", "news"])


def config(**pools: list[Endpoint]) -> Config:
    servers = {
        name: VirtualServer(
            name,
            Service(ServiceKey.at("tcp", Endpoint(f"198.51.100.{number}", 80)), "rr"),
            Method("nat"),
            tuple(real_server(each) for each in found),
        )
        for number, (name, found) in enumerate(pools.items())
    }
    return Config(Director("lb1"), Api(Listener(Endpoint("127.0.0.1", 9480)), None), servers)


def added(address: Endpoint, pool: str = "shop") -> Addition:
    return Addition(pool, address, "{}", who="alice")


def built(*additions: Addition, **changes: object) -> Built:
    return {each: replace(real_server(each.address, origin="runtime"), **changes) for each in additions}  # type: ignore[arg-type]


def named(address: Endpoint, name: str) -> RealServer:
    return replace(real_server(address), name=name)


def pool(found: Config, name: str = "shop") -> list[Endpoint]:
    return [server.address for server in found.virtual_servers[name].real_servers]


configs = st.builds(
    lambda shop, mail: config(shop=shop, mail=mail),
    st.lists(addresses, unique=True, max_size=3),
    st.lists(addresses, unique=True, max_size=3),
)
every_order = st.builds(
    lambda additions, removals: Orders((DRAINED,), additions, removals),
    st.lists(st.builds(added, addresses, names), unique=True, max_size=4).map(tuple),
    st.lists(st.builds(Removal, names, addresses, who=st.just("bob")), unique=True, max_size=4).map(tuple),
)


def test_without_orders_the_files_word_is_all_there_is() -> None:
    plain = config(shop=WEB[:2])
    amended = amend(plain, Orders((DRAINED,)), {})
    assert amended.config is plain
    assert amended.notes == ()
    assert amended.orders == Orders((DRAINED,))


def test_a_server_that_was_added_joins_after_the_files_own_and_one_that_was_removed_is_out() -> None:
    orders = Orders((), (added(WEB[3]),), (Removal("shop", WEB[0], "bob"),))
    amended = amend(config(shop=WEB[:2], mail=WEB[:1]), orders, built(*orders.additions, name="web4"))
    assert pool(amended.config) == [WEB[1], WEB[3]]
    assert pool(amended.config, "mail") == [WEB[0]]
    assert amended.orders == orders
    assert amended.held == (
        "shop: 192.0.2.1:80 stays out, removed at run time by bob",
        "shop: keeps web4 (192.0.2.4:80), added at run time by alice",
    )
    assert amended.notes == amended.held


def test_a_server_that_the_file_lists_by_now_is_the_files() -> None:
    orders = Orders((), (added(WEB[0]),))
    amended = amend(config(shop=WEB[:2]), orders, {})
    assert to_build(config(shop=WEB[:2]), orders) == ()
    assert pool(amended.config) == WEB[:2]
    assert amended.orders == Orders()
    assert amended.over == ("shop: 192.0.2.1:80 is in the file now; the addition at run time by alice is dropped",)


def test_orders_about_what_the_file_knows_no_more_are_over() -> None:
    orders = Orders((), (added(WEB[3], "news"),), (Removal("shop", WEB[2], "bob"), Removal("news", WEB[0], "bob")))
    amended = amend(config(shop=WEB[:1]), orders, {})
    assert amended.orders == Orders()
    assert amended.over == (
        "shop: 192.0.2.3:80 is no longer in the file; its removal is forgotten",
        "news: 192.0.2.1:80 is no longer in the file; its removal is forgotten",
        "the addition of 192.0.2.4:80 is dropped: there is no virtual server news",
    )


def test_an_addition_that_can_be_no_server_now_is_kept_aside_and_told() -> None:
    orders = Orders((), (added(WEB[3]),))
    amended = amend(config(shop=WEB[:1]), orders, {orders.additions[0]: "there is no check login"})
    assert pool(amended.config) == WEB[:1]
    assert amended.orders == orders
    assert amended.aside == ("shop: 192.0.2.4:80, added at run time by alice, is kept aside: there is no check login",)


def test_an_addition_gives_way_to_a_server_that_has_its_name_or_its_address() -> None:
    orders = Orders((), (added(WEB[3]),))
    amended = amend(config(shop=WEB[:1]), orders, built(*orders.additions, name="192.0.2.1:80"))
    assert amended.aside[0].endswith("is kept aside: the pool has another server named 192.0.2.1:80")
    plain = config(shop=WEB[:1])
    sorry = replace(plain.virtual_servers["shop"], sorry_servers=(named(WEB[3], "sorry"),))
    amended = amend(replace(plain, virtual_servers={"shop": sorry}), orders, built(*orders.additions))
    assert amended.aside[0].endswith("is kept aside: the pool has a server at 192.0.2.4:80 already")


def test_a_server_is_shown_by_its_name_and_where_it_is() -> None:
    assert label(real_server(WEB[0])) == "192.0.2.1:80"
    assert label(named(WEB[0], "web1")) == "web1 (192.0.2.1:80)"


@given(configs, every_order)
def test_a_pool_is_the_files_without_what_was_removed_and_with_what_was_added(found: Config, orders: Orders) -> None:
    amended = amend(found, orders, built(*to_build(found, orders)))
    removed = {(each.virtual_server, each.address) for each in orders.removals}
    for name in found.virtual_servers:
        own = pool(found, name)
        more = [each.address for each in orders.additions if each.virtual_server == name and each.address not in own]
        assert pool(amended.config, name) == [each for each in own if (name, each) not in removed] + more
    assert amended.config.virtual_servers.keys() == found.virtual_servers.keys()
    assert len(amended.notes) == len(orders.additions) + len(orders.removals)
    assert amended.orders.overrides == orders.overrides


@given(configs, every_order)
def test_what_survives_does_the_same_again(found: Config, orders: Orders) -> None:
    amended = amend(found, orders, built(*to_build(found, orders)))
    again = amend(found, amended.orders, built(*to_build(found, amended.orders)))
    assert again.config == amended.config
    assert again.orders == amended.orders
    assert again.over == ()


@given(configs, every_order)
def test_whatever_the_orders_every_address_and_name_is_in_a_pool_once(found: Config, orders: Orders) -> None:
    one_name = {each: named(each.address, "web1") for each in to_build(found, orders)}
    for server in amend(found, orders, one_name).config.virtual_servers.values():
        real: tuple[RealServer, ...] = server.real_servers
        assert len({each.address for each in real}) == len({each.name for each in real}) == len(real)


@given(configs, every_order)
def test_only_the_pools_that_orders_are_about_change(found: Config, orders: Orders) -> None:
    about = {each.virtual_server for each in (*orders.additions, *orders.removals)}
    amended = amend(found, orders, built(*to_build(found, orders))).config
    without = without_removed(found, orders.removals)
    for name, server in found.virtual_servers.items():
        if name not in about:
            assert amended.virtual_servers[name] is server
            assert without.virtual_servers[name] is server
