"""What a reload would do, told beforehand."""

from dataclasses import replace

from hypothesis import given

from healthlb.core.desired import Standing
from healthlb.core.rehearsal import Rehearsal, rehearse, taken_out
from healthlb.model.config import Api, Config, Director, Listener, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health
from healthlb.model.operations import AddDestination, AddService, DeleteService, EditDestination
from healthlb.model.table import Destination, IpvsTable, Method, Service, ServiceKey, ServiceRow
from tests.strategies import real_server, tables

WEB1, WEB2 = Endpoint("192.0.2.1", 80), Endpoint("192.0.2.2", 80)
SERVICE = Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 80)), "rr")
OTHER = Service(ServiceKey.at("tcp", Endpoint("198.51.100.2", 80)), "rr")
SHOP = VirtualServer("shop", SERVICE, Method("nat"), (real_server(WEB1), real_server(WEB2)))
CONFIG = Config(Director("lb1"), Api(Listener(Endpoint("127.0.0.1", 9480)), None), {"shop": SHOP})
TABLE = IpvsTable(
    {
        SERVICE.key: ServiceRow(
            SERVICE, {WEB1: Destination(WEB1, Method("nat"), 2), WEB2: Destination(WEB2, Method("nat"), 0)}
        ),
        OTHER.key: ServiceRow(OTHER),
    }
)


def rehearsed(config: Config = CONFIG, table: IpvsTable = TABLE, **changes: object) -> Rehearsal:
    return rehearse(config, table, changes.get("known", {}), changes.get("former", frozenset()))  # type: ignore[arg-type]


def test_without_a_director_a_rows_own_weight_stands_for_the_verdict() -> None:
    plan = rehearsed()
    assert plan.operations == [EditDestination(SERVICE.key, Destination(WEB1, Method("nat"), 1))]
    assert plan.waiting == []


def test_a_running_directors_verdicts_decide() -> None:
    known = {("shop", WEB1): Standing(Health.DOWN), ("shop", WEB2): Standing(Health.UP)}
    weights = {each.destination.address: each.destination.weight for each in rehearsed(known=known).operations}
    assert weights == {WEB1: 0, WEB2: 1}


def test_what_a_server_said_of_itself_stays_said() -> None:
    said = Standing(Health.UP, feedback=(Feedback(50, percent=True),))
    known = {("shop", WEB1): said, ("shop", WEB2): Standing(Health.DOWN)}
    shop = replace(SHOP, real_servers=(real_server(WEB1, weight=8), real_server(WEB2)))
    [edit] = rehearsed(replace(CONFIG, virtual_servers={"shop": shop}), known=known).operations
    assert edit == EditDestination(SERVICE.key, Destination(WEB1, Method("nat"), 4))


def test_a_server_that_is_new_waits_for_its_first_verdict() -> None:
    plan = rehearsed(table=IpvsTable())
    assert plan.operations == [AddService(SERVICE)]
    assert plan.waiting == ["shop: 192.0.2.1:80", "shop: 192.0.2.2:80"]


def test_a_server_that_is_trusted_does_not_wait() -> None:
    shop = replace(SHOP, real_servers=(real_server(WEB1, initial="trust"),))
    plan = rehearsed(replace(CONFIG, virtual_servers={"shop": shop}), IpvsTable())
    assert [type(each) for each in plan.operations] == [AddService, AddDestination]
    assert plan.waiting == []


def test_a_service_that_was_listed_and_is_no_more_goes() -> None:
    assert DeleteService(OTHER.key) in rehearsed(former=frozenset({OTHER.key})).operations


def test_foreign_services_stay_unless_the_file_says_remove() -> None:
    assert DeleteService(OTHER.key) not in rehearsed().operations
    strict = replace(CONFIG, director=Director("lb1", foreign_services="remove"))
    assert DeleteService(OTHER.key) in rehearsed(strict).operations


def test_a_row_of_a_server_configured_with_weight_0_is_no_sign_of_failure() -> None:
    shop = replace(SHOP, real_servers=(real_server(WEB1, weight=2), real_server(WEB2, weight=0)))
    assert rehearsed(replace(CONFIG, virtual_servers={"shop": shop})).operations == []


def row(*weights: int) -> ServiceRow:
    found = [Endpoint(f"192.0.2.{number}", 80) for number, _ in enumerate(weights, 1)]
    rows = {each: Destination(each, Method("nat"), weight) for each, weight in zip(found, weights, strict=True)}
    return ServiceRow(SERVICE, rows)


def shared(before: ServiceRow, after: ServiceRow | None) -> float:
    return taken_out(IpvsTable({SERVICE.key: before}), IpvsTable({SERVICE.key: after} if after is not None else {}))[0]


def test_the_share_that_is_taken_out_is_of_live_weight_and_nothing_makes_up_for_it() -> None:
    assert shared(row(2, 2), row(2, 2)) == 0.0
    assert shared(row(2, 2), row(2)) == 0.5
    assert shared(row(2, 2), row(1, 2)) == 0.25
    assert shared(row(2, 2), row(0, 9)) == 0.5
    assert shared(row(2, 2), None) == 1.0
    assert shared(row(0, 0), row()) == 0.0


@given(tables, tables)
def test_a_share_is_a_share_and_what_only_grows_takes_nothing_out(before: IpvsTable, after: IpvsTable) -> None:
    share, lost = taken_out(before, after)
    assert 0.0 <= share <= 1.0
    assert bool(lost) is (share > 0)
    assert taken_out(before, before) == taken_out(IpvsTable(), before) == (0.0, [])


def test_a_rehearsal_tells_how_much_of_the_live_weight_goes() -> None:
    assert rehearsed().share == 0.5
    assert rehearsed().lost == [(SERVICE.key, WEB1)]
    assert rehearsed(former=frozenset({OTHER.key})).share == 0.5
    assert rehearsed(replace(CONFIG, virtual_servers={}), former=frozenset({SERVICE.key})).share == 1.0
