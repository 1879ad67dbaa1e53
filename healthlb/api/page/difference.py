"""What changed between two states, as JSON in pieces: whoever applies it to the first has the second.

`taken_at` alone is no change: the newest look is told with whatever else there is to tell.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from healthlb.api.orders import timestamp
from healthlb.api.page.overview import PoolView, State, Work, pool_fragments
from healthlb.api.picking import encode

_STRETCH = 64


def same(before: State, after: State) -> bool:
    """Say whether two states show the same; unchanged virtual servers are the same object in both."""
    return (
        before.generation == after.generation
        and before.director == after.director
        and before.counts == after.counts
        and before.headline == after.headline
        and len(before.pools) == len(after.pools)
        and all(map(_is, before.pools.values(), after.pools.values()))
    )


def difference(before: State, after: State) -> Iterator[str]:
    """Yield the difference in one line of JSON; an empty piece is only a chance for the loop to turn."""
    head: dict[str, Any] = {"id": after.id, "taken_at": timestamp(after.taken_at)}
    for key in ("generation", "headline", "counts"):
        if getattr(before, key) != getattr(after, key):
            head[key] = getattr(after, key)
    if director := _changed(before.director, after.director):
        head["director"] = director
    if removed := [name for name in before.pools if name not in after.pools]:
        head["removed"] = removed
    if list(before.pools) != list(after.pools):
        head["order"] = list(after.pools)
    yield ""
    yield encode(head)[:-1]
    kept, replaced = [], []
    for name, pool in after.pools.items():
        known = before.pools.get(name)
        if known is pool:
            continue
        yield ""
        if known is not None and (yield from _same_servers(known, pool)):
            kept.append((name, known, pool))
        else:
            replaced.append((name, pool))
    yield from _heads(kept)
    yield from _rows(kept)
    yield from _members("replace", ((name, pool_fragments(pool)) for name, pool in replaced))
    yield "}"


def _is(one: Any, other: Any) -> bool:
    return one is other


def _same_servers(one: PoolView, other: PoolView) -> Work[bool]:
    if one.rows is other.rows:
        return True
    if len(one.rows) != len(other.rows):
        return False
    for position, (old, new) in enumerate(zip(one.rows, other.rows, strict=True)):
        if old[:2] != new[:2]:
            return False
        if position % _STRETCH == _STRETCH - 1:
            yield ""
    return True


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in after.items() if before[key] != value}


def _heads(pools: list[tuple[str, PoolView, PoolView]]) -> Iterator[str]:
    changed = ((name, _changed(before.head, after.head)) for name, before, after in pools)
    yield from _members("virtual_servers", ((name, iter((encode(each),))) for name, each in changed if each))


def _rows(pools: list[tuple[str, PoolView, PoolView]]) -> Iterator[str]:
    changed = ((name, _changed_rows(before, after)) for name, before, after in pools if before.rows is not after.rows)
    yield from _members("real_servers", changed)


def _changed_rows(before: PoolView, after: PoolView) -> Iterator[str]:
    separator = "{"
    for index, (old, new) in enumerate(zip(before.rows, after.rows, strict=True)):
        if old != new:
            yield f'{separator}"{index}":{encode(new)}'
            separator = ","
        elif index % _STRETCH == _STRETCH - 1:
            yield ""
    yield "{}" if separator == "{" else "}"


def _members(key: str, members: Iterator[tuple[str, Iterator[str]]]) -> Iterator[str]:
    """Yield one member of the difference, an object; nothing where it is empty."""
    separator = f',"{key}":{{'
    for name, pieces in members:
        yield f"{separator}{encode(name)}:"
        yield from pieces
        separator = ","
    if separator == ",":
        yield "}"
