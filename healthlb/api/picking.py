"""A part of a document: the fields that a reader asks for, and of the servers those that have a problem.

What is left out is not made into text, so that a part never costs the loop what the whole costs.
"""

import difflib
import json
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from healthlb.api import queries
from healthlb.api.kinds import Kind
from healthlb.api.queries import shown
from healthlb.core import concern
from healthlb.core.concern import Concern
from healthlb.model.snapshot import RealServerStatus, VirtualServerStatus

Tree = Mapping[str, Any]
"""The names that are wanted, each with the tree of what is wanted of it; None instead of a tree: all of it."""

MOST = 50
"""Paths that one question may name."""

encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Passing(str):
    """A piece of a document that is of the moment alone: it makes no other document of it (RFC 9110 section 8.8.1)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a document is wanted: the tree of its fields, None for all, and only what is a problem, or all."""

    fields: Tree | None = None
    problems: bool = False


EVERYTHING = Selection()


def kinds_for(shape: type) -> dict[str, Kind[str]]:
    """Return the parameters with which a part of a document of a shape is asked for."""
    return {"fields": _fields(shape), "problems": queries.flag}


def selection_of(asked: Mapping[str, Any], shape: type) -> Selection:
    """Return what parameters that were taken come to."""
    paths = asked.get("fields")
    return Selection(None if paths is None else _tree(shape, paths), asked.get("problems", False))


def pick(value: Any, tree: Tree | None) -> Any:
    """Return of a JSON value what a tree wants of it, of each item where it is a list."""
    if tree is None or value is None:
        return value
    if isinstance(value, dict):
        return {name: pick(value[name], below) for name, below in tree.items() if name in value}
    return [pick(each, tree) for each in value]


def members(
    head: Mapping[str, Any], lists: Mapping[str, Callable[[Tree | None], Iterable[str]]], tree: Tree | None
) -> Iterator[str]:
    """Yield an object in pieces: what is wanted of its head, and those of the other members that are."""
    before = encode(pick(head, tree))[:-1]
    comma = "," if len(before) > 1 else ""
    for name, write in lists.items():
        if tree is None or name in tree:
            yield f'{before}{comma}"{name}":'
            yield from write(None if tree is None else tree[name])
            before, comma = "", ","
    yield before + "}"


def array(items: Iterable[Iterable[str] | None]) -> Iterator[str]:
    """Yield a JSON array of items that are each given in pieces; None is no item, but a chance for the loop to turn."""
    separator = "["
    for item in items:
        if item is None:
            yield ""
            continue
        yield separator
        yield from item
        separator = ","
    yield "[]" if separator == "[" else "]"


def concern_of(server: RealServerStatus) -> Concern:
    """Return whether somebody has to look at a real server, or may have to soon."""
    unsent = uneasy = False
    for check in server.checks:
        unsent = unsent or bool(check.unsent_reason)
        uneasy = uneasy or bool(check.warning) or (check.last is not None and not check.last.passed)
    return concern.of_server(
        server.health.value,
        server.admin,
        pooled_but_down=server.pooled_but_down,
        held=server.held_until is not None,
        as_wanted=server.weight.effective == server.weight.kernel,
        unsent=unsent,
        uneasy=uneasy,
    )


def pool_concern(one: VirtualServerStatus) -> Concern:
    """Say the same of a pool, whatever its servers are."""
    return concern.of_pool(one.state, quorum_met=one.quorum.met, sorry_server_active=one.sorry_server_active)


def paths_of(shape: type) -> list[str]:
    """Return the paths of all fields of a shape, `virtual_servers.real_servers.health`, in its order."""
    return list(_paths(shape, ""))


def _paths(shape: type, prefix: str) -> Iterator[str]:
    for name, inner in _names(shape).items():
        yield prefix + name
        if inner is not None:
            yield from _paths(inner, f"{prefix}{name}.")


def _names(shape: type) -> dict[str, type | None]:
    """Return the names of a shape's fields, each with its own shape where it is an object or a list of them."""
    return {name: _shape_in(each) for name, each in typing.get_type_hints(shape).items()}


def _shape_in(annotation: Any) -> type | None:
    if typing.is_typeddict(annotation):
        found: type = annotation
        return found
    return next(filter(None, map(_shape_in, typing.get_args(annotation))), None)


def _fields(shape: type) -> Kind[str]:
    known = paths_of(shape)
    places = set(known)

    def take(text: str) -> frozenset[str]:
        paths = [each.strip().replace("[]", "") for each in text.split(",")]
        if len(paths) > MOST:
            raise ValueError(f"expected at most {MOST} paths, found {len(paths)}")
        for path in paths:
            if path not in places:
                raise ValueError(f"there is no {shown(path)}{_meant(path, known)}")
        return frozenset(paths)

    return Kind(take, {"type": "array", "items": {"enum": known}, "minItems": 1, "maxItems": MOST})


def _meant(path: str, known: Collection[str]) -> str:
    """Return what a path that there is not may stand for: its last names may be right, and the way to them wrong."""
    near = [each for each in known if each.endswith(f".{path}")] if path else []
    near.sort(key=lambda each: (each.count("."), "sorry" in each))
    near = near or difflib.get_close_matches(path[:100], known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _tree(shape: type, paths: Collection[str]) -> Tree:
    """Return the tree of paths, in the order of the shape."""
    tree: dict[str, Any] = {}
    for path in paths_of(shape):
        if path in paths:
            *way, last = path.split(".")
            at: dict[str, Any] | None = tree
            for name in way:
                at = at.setdefault(name, {}) if at is not None else None
            if at is not None:
                at[last] = None
    return tree
