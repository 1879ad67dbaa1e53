"""What a notifier is told, and which events are one message."""

from hypothesis import given
from hypothesis import strategies as st

from healthlb.model.notifiers import Webhook
from healthlb.model.occurrence import Occurrence
from healthlb.notify.grouping import MOST_REMEMBERED, Grouping, Wants
from healthlb.notify.message import MOST_EVENTS
from healthlb.notify.spells import spell
from tests.notify.happenings import happened, notifier

TURNS = ("real_server_down", "real_server_up")


def played(grouping: Grouping, *steps: tuple[float, Occurrence]) -> list[tuple[Occurrence, ...]]:
    """Take events in at their times, closing messages when they are due, and return the messages to the end."""
    told = []

    def close(until: float) -> None:
        while grouping.due is not None and grouping.due <= until:
            told.append(grouping.close(grouping.due))

    for now, event in steps:
        close(now)
        told.append(grouping.take(event, now))
    close(float("inf"))
    return [each for each in told if each]


def test_what_comes_within_the_window_of_the_first_is_one_message_in_order() -> None:
    first, second, third = happened(), happened(server="web2"), happened("real_server_up")
    later = happened(server="web3")
    grouping = Grouping(2.0, 0.0)
    assert played(grouping, (10.0, first), (11.0, second), (11.9, third), (12.1, later)) == [
        (first, second, third),
        (later,),
    ]


def test_a_switch_that_takes_200_servers_is_one_message() -> None:
    events = [happened(pool=f"pool{number % 3}", server=f"web{number}") for number in range(200)]
    assert played(Grouping(2.0, 0.0), *[(number / 200, each) for number, each in enumerate(events)]) == [tuple(events)]


def test_a_full_message_goes_at_once_and_the_rest_is_the_next_one() -> None:
    events = [happened(server=f"web{number}") for number in range(MOST_EVENTS + 5)]
    first, second = played(Grouping(2.0, 0.0), *[(0.0, each) for each in events])
    assert first + second == tuple(events)
    assert len(first) == MOST_EVENTS


def test_the_same_event_of_the_same_server_is_not_told_again_while_it_is_to_be_quiet() -> None:
    first, again, other, late = happened(), happened(), happened(server="web2"), happened()
    told = played(Grouping(0.0, 60.0), (0.0, first), (10.0, again), (11.0, other), (100.0, late))
    assert told == [(first,), (other,), (late,)]


def test_nobody_is_left_believing_that_a_server_is_up_because_of_the_quiet() -> None:
    down, up, down_again = happened(), happened("real_server_up"), happened()
    grouping = Grouping(0.0, 60.0)
    assert played(grouping, (0.0, down), (1.0, up), (2.0, down_again)) == [(down,), (up,), (down_again,)]


def test_a_flap_that_ended_as_it_began_is_not_told_after_the_quiet() -> None:
    down, up, down_again, up_again = happened(), happened("real_server_up"), happened(), happened("real_server_up")
    told = played(Grouping(0.0, 60.0), (0.0, down), (1.0, up), (2.0, down_again), (3.0, up_again))
    assert told == [(down,), (up,)]


def test_a_pool_that_changes_on_while_it_is_quiet_is_told_in_the_end() -> None:
    changes = [
        happened("virtual_server_changed", server=None, before=before, after=after)
        for before, after in [("up", "degraded"), ("degraded", "down"), ("down", "up"), ("up", "down")]
    ]
    told = played(Grouping(0.0, 60.0), *[(float(number), each) for number, each in enumerate(changes)])
    assert told == [(changes[0],), (changes[3],)]


def test_events_of_no_server_are_told_apart_by_what_they_say() -> None:
    first, other, again = (happened("warned", None, None, sentence=text) for text in ("disk", "memory", "disk"))
    assert played(Grouping(0.0, 60.0), (0.0, first), (1.0, other), (2.0, again)) == [(first,), (other,)]


@given(
    st.lists(st.tuples(st.floats(0, 3), st.sampled_from(TURNS), st.sampled_from(["web1", "web2"])), max_size=40),
    st.sampled_from([0.0, 0.5, 2.0]),
)
def test_without_quiet_every_event_is_told_once_and_in_order(steps: list[tuple[float, str, str]], group: float) -> None:
    now, taken = 0.0, []
    for pause, name, server in steps:
        now += pause
        taken.append((now, happened(name, server=server)))
    told = played(Grouping(group, 0.0), *taken)
    assert [event for events in told for event in events] == [event for _, event in taken]
    times = {event.id: time for time, event in taken}
    assert all(times[events[-1].id] - times[events[0].id] <= group for events in told)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from(TURNS), st.sampled_from(["web1", "web2"])), max_size=40),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.sampled_from([1.0, 4.0]),
)
def test_with_quiet_the_last_that_is_told_of_a_server_is_how_it_is(
    steps: list[tuple[float, str, str]], group: float, quiet: float
) -> None:
    now, taken, last = 0.0, [], {}
    for pause, name, server in steps:
        now += pause
        taken.append((now, happened(name, server=server)))
        last[server] = name
    told = [event for events in played(Grouping(group, quiet), *taken) for event in events]
    assert {str(event.real_server): event.name for event in told} == last
    assert len({event.id for event in told}) == len(told)
    assert {event.id for event in told} <= {event.id for _, event in taken}


def test_what_is_remembered_for_the_quiet_is_bounded() -> None:
    grouping = Grouping(0.0, 3600.0)
    for number in range(MOST_REMEMBERED + 100):
        grouping.take(happened(server=f"web{number}"), 0.0)
        grouping.close(0.0)
    assert len(grouping._heard) <= MOST_REMEMBERED


def test_what_was_kept_back_is_told_at_the_end_of_all() -> None:
    grouping = Grouping(0.0, 60.0)
    down, up, down_again = happened(), happened("real_server_up"), happened()
    for event in (down, up):
        grouping.take(event, 0.0)
        grouping.close(0.0)
    grouping.take(down_again, 1.0)
    assert grouping.close(2.0, last=True) == (down_again,)
    assert grouping.due is None


def test_a_notifier_is_told_of_its_events_and_its_pools() -> None:
    wants = Wants(notifier(virtual_servers=("shop",)))
    assert wants(happened())
    assert not wants(happened(pool="mail"))
    assert not wants(happened("real_server_held"))
    assert not wants(happened("probe_failed", None, None))


def test_what_is_of_no_pool_is_told_to_all_who_ask_for_it() -> None:
    wants = Wants(notifier(virtual_servers=("shop",), events=frozenset({"table_lost"})))
    assert wants(happened("table_lost", None, None))


def test_a_pool_that_names_a_notifier_tells_it_of_its_quorum_whatever_its_events() -> None:
    wants = Wants(notifier(virtual_servers=("mail",), events=frozenset({"real_server_down"})), {"shop"})
    assert wants(happened("quorum_lost", server=None))
    assert wants(happened("quorum_regained", server=None))
    assert not wants(happened("quorum_lost", "mail", None))
    assert {"quorum_lost", "quorum_regained", "real_server_down"} == wants.names


def test_no_notifier_is_told_of_notifiers() -> None:
    wants = Wants(notifier(events=frozenset({"notifier_failed", "notifier_recovered", "warned"})))
    assert not wants(happened("notifier_failed", None, None))
    assert wants.names == {"warned"}


def test_alertmanager_is_told_of_what_ends_its_alerts_though_nobody_asked() -> None:
    events = frozenset({"real_server_down", "quorum_lost"})
    alerts = Webhook(url="http://127.0.0.1/", preset="alertmanager")
    assert Wants(notifier(alerts, events)).names == events | {"real_server_up", "quorum_regained"}
    assert Wants(notifier(Webhook(url="http://127.0.0.1/"), events)).names == events


def test_what_begins_and_what_ends_it_are_one_spell() -> None:
    assert spell(happened("real_server_down")) == spell(happened("real_server_up"))
    assert spell(happened("real_server_down")) != spell(happened("real_server_up", server="web2"))
    assert spell(happened("check_warned", check="a")) != spell(happened("check_warned", check="b"))
