"""Values in a JSON document (RFC 8259), each named by a JSON Pointer (RFC 6901)."""

import functools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from checks.wire.showing import shown

POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
PARSED_AT_MOST = 1 << 20
"""Bytes of JSON that are parsed; Python's objects take up to thirty times as much memory."""

MISSING = object()


def pointer_faults(pointers: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each that is no JSON Pointer."""
    for pointer in pointers:
        if not pointer.startswith("/") and pointer:
            as_pointer = "/" + pointer.replace(".", "/")
            yield f"'{shown(pointer)}' is no JSON Pointer (RFC 6901): it would begin with /, as in {shown(as_pointer)}"
        elif POINTER.fullmatch(pointer) is None:
            yield f"'{shown(pointer)}' is no JSON Pointer (RFC 6901): ~ is written ~0, and / in a name ~1"


def unlike(body: bytes, wanted: tuple[tuple[str, str], ...]) -> str | None:
    """Return what of a document is not as wanted, as (pointer, JSON text) pairs say, or None."""
    try:
        document = _DECODER.decode(body.decode("utf-8"))
    except RecursionError:
        return "the body is JSON that is nested too deeply"
    except ValueError:
        return "the body is not JSON"
    for pointer, text in wanted:
        value = _member(document, _names(pointer))
        if value is MISSING:
            return f"the body has no {shown(pointer)}"
        if not _equal(value, _value(text)):
            return f"{shown(pointer) or 'the body'} is {_described(value)}, expected {shown(text)}"
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


@functools.lru_cache(maxsize=1024)
def _names(pointer: str) -> tuple[str, ...]:
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:])


@functools.lru_cache(maxsize=1024)
def _value(text: str) -> Any:
    return json.loads(text)


def _member(value: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        if isinstance(value, dict):
            value = value.get(name, MISSING)
        elif isinstance(value, list) and INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return MISSING
    return value


def _equal(value: Any, wanted: Any) -> bool:
    """Compare scalars as JSON does: 1 and 1.0 are one number, true is none."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return not isinstance(value, dict | list) and bool(value == wanted)


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return shown(json.dumps(value[:100] if isinstance(value, str) else value))
