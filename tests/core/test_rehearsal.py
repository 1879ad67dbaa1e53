"""What a reload would do, told beforehand."""

from dataclasses import replace

from hypothesis import given

from healthlb.core.decision import Leaving, Level
from healthlb.core.desired import Standing
from healthlb.core.rehearsal import Rehearsal, rehearse, taken_out
from healthlb.model.check import Check, Probe
from healthlb.model.config import Api, Config, Director, Listener, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health, Schedule
from healthlb.model.operations import AddDestination, AddService, DeleteService, EditDestination
from healthlb.model.overrides import Override, Scope
from healthlb.model.table import Destination, IpvsTable, Method, Service, ServiceKey, ServiceRow
from tests.strategies import real_server, tables

WEB1, WEB2 = Endpoint("192.0.2.1", 80), Endpoint("192.0.2.2", 80)
SERVICE = Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 80)), "rr")
OTHER = Service(ServiceKey.at("tcp", Endpoint("198.51.100.2", 80)), "rr")
CHECK = Check("web", "http", Schedule(2.0, 1.0, 2, 2, 0.5, 5.0), "settings")


def checked(endpoint: Endpoint, **changes: object) -> RealServer:
    return replace(real_server(endpoint, **changes), probes=(Probe(CHECK, endpoint),))


SHOP = VirtualServer("shop", SERVICE, Method("nat"), (checked(WEB1), checked(WEB2)))
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
    known, former = changes.pop("known", {}), changes.pop("former", frozenset())
    return rehearse(config, table, known, former, 100.0, **changes)  # type: ignore[arg-type]


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
    shop = replace(SHOP, real_servers=(checked(WEB1, weight=8), checked(WEB2)))
    [edit] = rehearsed(replace(CONFIG, virtual_servers={"shop": shop}), known=known).operations
    assert edit == EditDestination(SERVICE.key, Destination(WEB1, Method("nat"), 4))


def test_a_server_that_is_new_waits_for_its_first_verdict() -> None:
    plan = rehearsed(table=IpvsTable())
    assert plan.operations == [AddService(SERVICE)]
    assert plan.waiting == ["shop: 192.0.2.1:80", "shop: 192.0.2.2:80"]


def test_a_server_that_is_trusted_does_not_wait() -> None:
    shop = replace(SHOP, real_servers=(checked(WEB1, initial="trust"),))
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
    shop = replace(SHOP, real_servers=(checked(WEB1, weight=2), checked(WEB2, weight=0)))
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


def test_a_server_without_checks_waits_for_none() -> None:
    shop = replace(SHOP, real_servers=(real_server(WEB1),))
    plan = rehearsed(replace(CONFIG, virtual_servers={"shop": shop}), IpvsTable())
    assert [type(each) for each in plan.operations] == [AddService, AddDestination]
    assert plan.waiting == []


def test_what_operators_ordered_is_part_of_the_plan() -> None:
    known = {("shop", WEB1): Standing(Health.UP), ("shop", WEB2): Standing(Health.UP)}
    drained = [Override(Scope(None, WEB1.address, None), "drain"), Override(Scope("shop", WEB2.address, 80), weight=7)]
    rows = rehearsed(known=known, overrides=drained).operations
    assert {each.destination.address: each.destination.weight for each in rows} == {WEB1: 0, WEB2: 7}


def test_a_server_with_a_drain_timeout_begins_to_leave_and_one_that_was_leaving_goes_on() -> None:
    leaver = checked(WEB1, drain_timeout=60.0)
    before = Level(replace(SHOP, real_servers=(leaver, checked(WEB2))), [Standing(Health.UP)] * 2)
    without = replace(CONFIG, virtual_servers={"shop": replace(SHOP, real_servers=(checked(WEB2),))})
    known = {("shop", WEB2): Standing(Health.UP)}
    plan = rehearsed(without, known=known, levels={SERVICE.key: before})
    assert {each.destination.address: each.destination.weight for each in plan.operations} == {WEB1: 0, WEB2: 1}
    assert plan.share == 1.0
    gone = replace(before, server=without.virtual_servers["shop"], leaving=(Leaving(WEB1, 160.0),))
    again = rehearsed(without, known=known, levels={SERVICE.key: gone})
    assert again.operations == plan.operations
    back = rehearsed(known={**known, ("shop", WEB1): Standing(Health.UP)}, levels={SERVICE.key: gone})
    assert {each.destination.address: each.destination.weight for each in back.operations} == {WEB1: 1, WEB2: 1}


def test_a_sorry_server_stands_in_for_a_pool_that_would_lose_its_quorum() -> None:
    sorry = real_server(Endpoint("192.0.2.9", 80))
    shop = replace(SHOP, sorry_servers=(sorry,))
    known = {("shop", WEB1): Standing(Health.DOWN), ("shop", WEB2): Standing(Health.DOWN)}
    rows = rehearsed(replace(CONFIG, virtual_servers={"shop": shop}), known=known).operations
    assert {each.destination.address: each.destination.weight for each in rows} == {sorry.address: 1, WEB1: 0}
