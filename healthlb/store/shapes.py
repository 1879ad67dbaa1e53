"""Frozen words as JSON and back, strictly: what is read has each field's type, or the whole is refused.

A field that has its default is left out, so that a field that is added later needs no new version of a file.
"""

import enum
import json
import sys
import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Word = TypeVar("Word")
_UNIONS = {types.UnionType, Union}
_PLAIN = {bool, int, str, types.NoneType}
_encoded = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_Turn = Callable[[Any], Any]


def written(word: Any) -> bytes:
    """Return a word as JSON.

    Long lists are made piece by piece: one call for all of it would hold every other thread meanwhile, and its pieces
    would be work for the garbage collector.
    """
    hints = get_type_hints(type(word))
    parts = []
    for each in fields(word):
        value, hint = getattr(word, each.name), hints[each.name]
        if value == each.default:
            continue
        if get_origin(hint) is tuple and Ellipsis in get_args(hint):
            write = _writer(get_args(hint)[0])
            text = f"[{','.join([_encoded(write(item)) for item in value])}]"
        else:
            text = _encoded(_writer(hint)(value))
        parts.append(f"{_encoded(each.name)}:{text}")
    return f"{{{','.join(parts)}}}".encode()


def read(kind: type[Word], body: bytes) -> Word:
    """Return the word that JSON says; raise ValueError, with a sentence, where it says none of that kind."""
    wanted: Any = kind
    try:
        word: Word = _reader(wanted)(json.loads(body, parse_constant=_no_number))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return word


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _same(value: Any) -> Any:
    return value


@cache
def _writer(kind: Any) -> _Turn:
    """Return what turns a value of a type into plain JSON values."""
    if is_dataclass(kind):
        return _record_writer(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return lambda value: value.value
    if kind is bytes:
        return lambda value: value.decode("latin-1")
    if get_origin(kind) in {*_UNIONS, tuple}:
        parts = [each for each in get_args(kind) if each is not Ellipsis]
        if all(_writer(each) is _same for each in parts):
            return list if get_origin(kind) is tuple else _same
        if get_origin(kind) in _UNIONS:
            (only,) = [_writer(each) for each in parts if each is not types.NoneType]
            return lambda value: None if value is None else only(value)
        if Ellipsis in get_args(kind):
            each = _writer(parts[0])
            return lambda value: [each(item) for item in value]
        several = [_writer(each) for each in parts]
        return lambda value: [turn(item) for turn, item in zip(several, value, strict=True)]
    if kind in _PLAIN or kind is float or get_origin(kind) is Literal:
        return _same
    raise TypeError(f"{kind} has no shape in JSON")


def _record_writer(kind: Any) -> _Turn:
    hints = get_type_hints(kind)
    turns = [(each.name, each.default, _writer(hints[each.name])) for each in fields(kind)]

    def turn(value: Any) -> dict[str, Any]:
        plain = {}
        for name, default, write in turns:
            item = getattr(value, name)
            if item is not default and item != default:
                plain[name] = write(item)
        return plain

    return turn


@cache
def _reader(kind: Any) -> _Turn:
    """Return what turns plain JSON values into a value of a type, or raises ValueError."""
    if is_dataclass(kind):
        return _record_reader(kind)
    if kind is float:
        return _number
    if kind is bytes:
        return lambda value: _plain(str, value).encode("latin-1")
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind
    if get_origin(kind) is Literal:
        return lambda value: _one_of(get_args(kind), value)
    if get_origin(kind) in _UNIONS:
        (only,) = [_reader(each) for each in get_args(kind) if each is not types.NoneType]
        return lambda value: None if value is None else only(value)
    if get_origin(kind) is tuple:
        parts = [_reader(each) for each in get_args(kind) if each is not Ellipsis]
        if Ellipsis in get_args(kind):
            return lambda value: tuple([parts[0](item) for item in _plain(list, value)])
        return lambda value: tuple([turn(item) for turn, item in zip(parts, _plain(list, value), strict=True)])
    if kind in _PLAIN:
        return lambda value: _plain(kind, value)
    raise TypeError(f"{kind} has no shape in JSON")


def _record_reader(kind: Any) -> _Turn:
    hints = get_type_hints(kind)
    turns = {each.name: _reader(hints[each.name]) for each in fields(kind)}
    needed = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}

    def turn(value: Any) -> Any:
        plain = _plain(dict, value)
        if not plain.keys() <= turns.keys() or not needed <= plain.keys():
            wrong = sorted(plain.keys() - turns.keys()) or sorted(needed - plain.keys())
            raise ValueError(f"{kind.__name__} with the wrong fields: {', '.join(wrong)[:100]}")
        return kind(**{name: turns[name](item) for name, item in plain.items()})

    return turn


def _plain(kind: type[Word], value: Any) -> Word:
    if type(value) is not kind:
        raise ValueError(f"{kind.__name__} expected, not {type(value).__name__}")
    return value


def _number(value: Any) -> float:
    if type(value) not in {int, float} or abs(value) > sys.float_info.max:
        raise ValueError("a number expected")
    return float(value)


def _one_of(choices: tuple[Any, ...], value: Any) -> Any:
    if value not in choices or type(value) is not str:
        raise ValueError(f"one of {', '.join(map(str, choices))} expected")
    return value
