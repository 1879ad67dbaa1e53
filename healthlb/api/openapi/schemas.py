"""Shapes of answers as JSON Schema 2020-12, one component a shape.

Nothing that a shape does not name is allowed, and all that it names is there; in a `…Part`, which is what is left of a
shape where only some fields are asked for, any of it may be missing.
"""

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Union

from healthlb.api.shapes import Fact

Schema = dict[str, Any]
_PLAIN: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}


class Schemas:
    """The components of one document."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, annotation: Any, *, part: bool = False) -> Schema:
        """Return the schema of a type, by reference where it is a shape."""
        if typing.is_typeddict(annotation):
            return self._reference(annotation, part=part)
        if annotation in _PLAIN:
            return dict(_PLAIN[annotation])
        return self._made(typing.get_origin(annotation), typing.get_args(annotation), part=part)

    def _made(self, origin: Any, inner: tuple[Any, ...], *, part: bool) -> Schema:
        if origin is Annotated:
            return _with(self.of(inner[0], part=part), inner[1:])
        if origin is NotRequired:
            return self.of(inner[0], part=part)
        if origin is Literal:
            return {"enum": list(inner)}
        if origin in {Union, types.UnionType}:
            return {"anyOf": [self.of(each, part=part) for each in inner]}
        if origin in {list, Sequence}:
            return {"type": "array", "items": self.of(inner[0], part=part)}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(inner[1], part=part)}
        raise TypeError(f"no schema is known for {origin}")

    def _reference(self, shape: Any, *, part: bool) -> Schema:
        name = shape.__name__ + ("Part" if part else "")
        if name not in self.components:
            self.components[name] = {}
            fields = typing.get_type_hints(shape, include_extras=True)
            needed = [field for field in fields if field in shape.__required_keys__ and not part]
            self.components[name] = {
                "type": "object",
                "description": " ".join(str(shape.__doc__).split()),
                "properties": {field: self.of(each, part=part) for field, each in fields.items()},
                "additionalProperties": False,
            } | ({"required": needed} if needed else {})
        return {"$ref": f"#/components/schemas/{name}"}


def _with(schema: Schema, facts: Sequence[str | Fact]) -> Schema:
    for each in facts:
        schema |= {"description": each} if isinstance(each, str) else {each.name: each.value}
    return schema
