"""Parts of documents: the fields and the problems that a reader asks for, and what a crowd of wishes costs."""

import asyncio
import contextlib
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthlb.api import document, rendering, shapes
from healthlb.api.picking import Selection, concern_of, kinds_for, paths_of, selection_of
from healthlb.api.reading import real_servers
from healthlb.api.rendering import ChosenRenderings, CrowdedError
from healthlb.model.config import Quorum
from healthlb.model.health import Health
from healthlb.model.snapshot import QuorumStatus, Snapshot, VirtualServerStatus, Weight
from tests.api.test_documents import rendered, snapshots
from tests.api.test_reading import ask

FEW = settings(max_examples=25)
PATHS = paths_of(shapes.Status)


def wanted(value: Any, paths: set[str], at: str = "") -> Any:
    """Return what paths want of a value, told as plainly as can be."""
    if isinstance(value, list):
        return [wanted(each, paths, at) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, inner in value.items():
        here = f"{at}.{name}" if at else name
        if here in paths:
            found[name] = inner
        elif any(path.startswith(f"{here}.") for path in paths):
            found[name] = wanted(inner, paths, here)
    return found


@FEW
@given(snapshots, st.sets(st.sampled_from(PATHS), min_size=1, max_size=6))
def test_a_part_of_the_status_is_what_its_paths_name_and_nothing_else(snapshot: Snapshot, paths: set[str]) -> None:
    only = selection_of({"fields": frozenset(paths)}, shapes.Status)
    whole = json.loads(rendered(document.status(snapshot)))
    assert json.loads(rendered(document.status(snapshot, only))) == wanted(whole, paths)


@FEW
@given(snapshots, st.sets(st.sampled_from(paths_of(shapes.RealServers)), min_size=1, max_size=4))
def test_a_part_of_the_real_servers_is_as_well(snapshot: Snapshot, paths: set[str]) -> None:
    only = selection_of({"fields": frozenset(paths)}, shapes.RealServers)
    whole = json.loads(rendered(real_servers(snapshot, lambda *_: True)))
    assert json.loads(rendered(real_servers(snapshot, lambda *_: True, None, only))) == wanted(whole, paths)


@FEW
@given(snapshots)
def test_every_field_of_a_document_has_a_path_and_all_paths_are_the_whole_document(snapshot: Snapshot) -> None:
    only = selection_of({"fields": frozenset(path for path in PATHS if "." not in path)}, shapes.Status)
    assert rendered(document.status(snapshot, only)) == rendered(document.status(snapshot))


@FEW
@given(snapshots)
def test_problems_are_pools_and_servers_that_somebody_may_have_to_look_at_whole(snapshot: Snapshot) -> None:
    whole = json.loads(rendered(document.status(snapshot)))
    expected = []
    for told, one in zip(whole["virtual_servers"], snapshot.virtual_servers, strict=True):
        for name in ("real_servers", "sorry_servers"):
            pairs = zip(told[name], getattr(one, name), strict=True)
            told[name] = [each for each, server in pairs if concern_of(server)]
        trouble = told["state"] != "up" or not told["quorum"]["met"] or told["sorry_server_active"]
        if trouble or told["real_servers"] or told["sorry_servers"]:
            expected.append(told)
    found = json.loads(rendered(document.status(snapshot, Selection(problems=True))))
    assert found == {**whole, "virtual_servers": expected}


def fine(source: Any) -> VirtualServerStatus:
    """Return a pool in which nobody has to look at anything."""
    pool: VirtualServerStatus = source.current.virtual_servers[0]
    return dataclasses.replace(pool, state="up", real_servers=pool.real_servers[:1])


@pytest.mark.parametrize(
    "trouble",
    [
        {"health": Health.DOWN},
        {"health": Health.UNKNOWN},
        {"held_until": 5.0},
        {"pooled_but_down": True},
        {"admin": "drained", "weight": Weight(1, 0, 1)},
    ],
)
def test_a_server_in_trouble_is_a_problem_and_one_without_is_none(source: Any, trouble: dict[str, Any]) -> None:
    pool = fine(source)
    source.current = dataclasses.replace(source.current, virtual_servers=(pool,))
    assert ask(source, "/api/v1/virtual_servers?problems=1")[1] == {"virtual_servers": []}
    server = dataclasses.replace(pool.real_servers[0], name="web2", **trouble)
    pool = dataclasses.replace(pool, real_servers=(*pool.real_servers, server))
    source.current = dataclasses.replace(source.current, virtual_servers=(pool,))
    assert ask(source, "/api/v1/virtual_servers?problems=1&fields=virtual_servers.real_servers.name")[1] == {
        "virtual_servers": [{"real_servers": [{"name": "web2"}]}]
    }
    found = ask(source, "/api/v1/real_servers?problems=1")[1]["real_servers"]
    assert [each["real_server"] for each in found] == ["web2"]


def test_a_pool_that_misses_its_quorum_is_a_problem_without_a_server_that_is_one(source: Any) -> None:
    pool = dataclasses.replace(fine(source), quorum=QuorumStatus(Quorum(2), 1, False))
    source.current = dataclasses.replace(source.current, virtual_servers=(pool,))
    fields = "name,real_servers.name"
    assert ask(source, f"/api/v1/virtual_servers/shop?problems=1&fields={fields}")[1] == {
        "name": "shop",
        "real_servers": [],
    }


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("fields=virtual_servers.nam", "fields: there is no 'virtual_servers.nam'; did you mean virtual_servers.name?"),
        ("fields=held_until", "did you mean virtual_servers.real_servers.held_until?"),
        ("fields=ready,", "fields: there is no ''."),
        ("fields=", "fields: there is no ''."),
        (f"fields={','.join(['ready'] * 51)}", "fields: expected at most 50 paths, found 51."),
        ("fields=ready&fields=vrrp", "fields: is there twice."),
        ("problems=yes", "problems: expected 1 or 0, found 'yes'."),
        ("problem=1", "There is no parameter 'problem'; did you mean problems?"),
    ],
)
def test_a_part_that_there_is_not_is_refused_with_the_nearest_that_there_is(
    source: Any, query: str, sentence: str
) -> None:
    status, answer = ask(source, f"/api/v1/status?{query}")
    assert status == 400
    assert sentence in answer["error"]


def test_paths_may_be_written_with_the_brackets_of_lists(source: Any) -> None:
    written = "/api/v1/status?fields=virtual_servers[].real_servers[].name"
    assert ask(source, written) == ask(source, written.replace("[]", ""))


@given(st.text(max_size=40))
def test_any_text_is_paths_or_a_printable_sentence(text: str) -> None:
    take = kinds_for(shapes.Status)["fields"]
    with contextlib.suppress(ValueError):
        take(text)
        return
    with pytest.raises(ValueError, match=r".+") as caught:
        take(text)
    assert str(caught.value).isprintable()


class Held:
    """A source that answers when it is let."""

    changes = 0

    def __init__(self, current: Snapshot) -> None:
        self.current = current
        self.open = asyncio.Event()
        self.asked = 0

    async def snapshot(self, max_age: float) -> Snapshot:
        self.asked += 1
        await self.open.wait()
        return self.current


def chosen(source: Any, number: int, held: Held) -> list[Any]:
    """Let so many readers ask for as many different parts; give back what each got."""

    async def run() -> list[Any]:
        choices = ChosenRenderings(held)
        askers = [asyncio.ensure_future(choices.current(each, lambda _: iter("part"), 1.0)) for each in range(number)]
        for _ in range(5):
            await asyncio.sleep(0)
        held.open.set()
        found = await asyncio.gather(*askers, return_exceptions=True)
        await choices.close()
        return found

    return asyncio.run(run())


def test_as_many_parts_as_there_may_be_are_made_and_who_asks_for_one_more_is_told_so(source: Any) -> None:
    found = chosen(source, rendering.MOST_CHOSEN + 3, Held(source.current))
    assert [isinstance(each, CrowdedError) for each in found] == [False] * rendering.MOST_CHOSEN + [True] * 3


def test_parts_are_made_one_after_the_other(source: Any) -> None:
    at_once, most = 0, 0

    async def run() -> None:
        held = Held(source.current)
        held.open.set()
        choices = ChosenRenderings(held)

        async def one(choice: int) -> None:
            def pieces(_: Snapshot) -> Any:
                nonlocal at_once, most
                at_once += 1
                most = max(most, at_once)
                yield from "part"
                at_once -= 1

            await choices.current(choice, pieces, 1.0)

        await asyncio.gather(*map(one, range(10)))
        await choices.close()

    asyncio.run(run())
    assert most == 1


def test_a_part_that_has_been_made_gives_way_to_another(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "REST", 1e9)

    async def run() -> int:
        held = Held(source.current)
        held.open.set()
        choices = ChosenRenderings(held)
        for each in range(3 * rendering.MOST_CHOSEN):
            await choices.current(each, lambda _: iter("part"), 1.0)
        again = held.asked
        await choices.current(3 * rendering.MOST_CHOSEN - 1, lambda _: iter("part"), 1.0)
        assert held.asked == again
        await choices.close()
        return len(choices._shared)

    assert asyncio.run(run()) <= rendering.MOST_CHOSEN


def test_a_crowd_with_too_many_wishes_is_answered_503(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MOST_CHOSEN", 0)
    monkeypatch.setattr(ChosenRenderings, "_make_room", _no_room)
    status, answer = ask(source, "/api/v1/status?problems=1")
    assert (status, "different parts" in answer["error"]) == (503, True)
    assert ask(source, "/api/v1/status")[0] == 200


async def _no_room(_self: ChosenRenderings) -> None:
    raise CrowdedError
