"""Dataclasses as JSON and back, by the types of their fields: strict, for both ends are of one version.

A dataclass is an object with its name under `is`; bytes are hexadecimal digits, also as keys; tuples are lists.
"""

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

NAME = "is"


class CodingError(Exception):
    """Bytes are not what the type says; the text is a clause."""


def encode(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(_plain(value), allow_nan=False, separators=(",", ":")).encode()


def decode(data: bytes, kind: Any) -> Any:
    """Return the value of a type that `encode` made JSON of; raise CodingError, whatever the bytes."""
    try:
        return _reader(kind)(json.loads(data))
    except (ValueError, RecursionError) as problem:
        raise CodingError(f"it is no JSON of ours: {problem}") from problem


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if is_dataclass(value):
        return {NAME: type(value).__name__} | {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    return value


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return what reads a type; made once, for hints are slow to read."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind)
    if origin in (Union, types.UnionType):
        return _choice(inner)
    if origin is tuple:
        return _sequence(inner[0]) if inner[-1] is Ellipsis else _row(inner)
    if origin in (dict, Mapping):
        return _mapping(*inner)
    if origin is Literal:
        return _checked(lambda value: value in inner, f"one of {inner}")
    if kind is bytes:
        return _bytes
    if kind is float:
        return _float
    return _checked(lambda value: type(value) is kind, f"{kind.__name__}")


def _record(kind: type) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    readers = {part.name: _reader(hints[part.name]) for part in fields(kind)}
    names = {NAME, *readers}

    def read(value: Any) -> Any:
        if not isinstance(value, dict) or value.get(NAME) != kind.__name__ or value.keys() != names:
            raise CodingError(f"it is no {kind.__name__}")
        return kind(**{name: reader(value[name]) for name, reader in readers.items()})

    return read


def _choice(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    """Return what reads one of several dataclasses, or None where that is among them."""
    readers = {kind.__name__: _reader(kind) for kind in kinds if kind is not types.NoneType}
    optional = types.NoneType in kinds

    def read(value: Any) -> Any:
        if value is None and optional:
            return None
        name = value.get(NAME) if isinstance(value, dict) else None
        if isinstance(name, str) and name in readers:
            return readers[name](value)
        if optional and len(readers) == 1:
            return next(iter(readers.values()))(value)
        raise CodingError(f"it is none of {', '.join(readers)}")

    return read


def _sequence(kind: Any) -> Callable[[Any], Any]:
    reader = _reader(kind)

    def read(value: Any) -> Any:
        return tuple(reader(each) for each in _list(value))

    return read


def _row(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    readers = [_reader(kind) for kind in kinds]

    def read(value: Any) -> Any:
        if len(_list(value)) != len(readers):
            raise CodingError(f"it is no row of {len(readers)}")
        return tuple(reader(each) for reader, each in zip(readers, value, strict=True))

    return read


def _mapping(key: Any, kind: Any) -> Callable[[Any], Any]:
    key_reader, reader = _reader(key), _reader(kind)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise CodingError("it is no mapping")
        return {key_reader(name): reader(each) for name, each in value.items()}

    return read


def _checked(fits: Callable[[Any], bool], what: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, list | dict) or not fits(value):
            raise CodingError(f"{str(value)[:40]!r} is not {what}")
        return value

    return read


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise CodingError("it is no list")
    return value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise CodingError("bytes are hexadecimal digits")
    try:
        return bytes.fromhex(value)
    except ValueError as problem:
        raise CodingError("bytes are hexadecimal digits") from problem


def _float(value: Any) -> float:
    if type(value) not in (int, float):
        raise CodingError(f"{str(value)[:40]!r} is not a number")
    return float(value)
