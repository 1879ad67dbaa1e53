"""The file's JSON Schema (draft 2020-12), from the same declarations that the loader walks; for editors.

It takes whatever the loader takes. What spans several keys is the loader's alone to tell.
"""

from functools import partial
from typing import Any

from checks import registry
from checks.options import Duration, Either, ListOf, Record, TableOf, show_seconds
from healthlb.config.check_sections import CheckName, CommonCheck, InlineCheck
from healthlb.config.kinds import Name, Percent, WholeSeconds
from healthlb.config.notifier_options import COMMON, TYPES, InlineNotifier
from healthlb.config.sections import FileSection
from healthlb.config.walk import NamedTable, Option, options_of
from healthlb.config.walk_checks import CheckTypes

DRAFT = "https://json-schema.org/draft/2020-12/schema"
VARIABLE = {"type": "string", "pattern": r"\$\{|\$\$"}


def json_schema(types: CheckTypes | None = None) -> dict[str, Any]:
    """Return the schema of healthlb.yaml as a JSON document."""
    return _Schema(registry.types() if types is None else types).document()


class _Schema:
    def __init__(self, types: CheckTypes) -> None:
        self._types = types
        self._defs: dict[str, Any] = {
            "variable": {"description": "Text with ${NAME}, ${NAME:-default} or $$ in it.", **VARIABLE}
        }

    def document(self) -> dict[str, Any]:
        """Return the whole schema."""
        root = self._record(FileSection)
        return {
            "$schema": DRAFT,
            "title": "healthlb.yaml",
            **root,
            "$defs": dict(sorted(self._defs.items())),
        }

    def of(self, kind: Any) -> dict[str, Any]:
        """Return a kind's schema."""
        match kind:
            case Record():
                return self._define(kind.of.__name__, lambda: self._record(kind.of))
            case InlineCheck():
                return self._define("NamedCheck" if kind.named else "Check", lambda: self._check(named=kind.named))
            case InlineNotifier():
                return self._define("Notifier", self._notifier)
            case ListOf():
                items: dict[str, Any] = {"type": "array", "items": self.of(kind.kind)}
                if kind.minimum:
                    items["minItems"] = kind.minimum
                return {"anyOf": [self.of(kind.kind), items]} if kind.single else items
            case NamedTable():
                names = Name().schema()
                return {"type": "object", "propertyNames": names, "additionalProperties": self.of(kind.kind)}
            case TableOf():
                return {"type": "object", "additionalProperties": self.of(kind.kind)}
            case Either():
                return {"anyOf": [self.of(one) for one in kind.kinds]}
            case CheckName():
                return {"type": "string"}
            case _:
                return self._scalar(kind)

    def _scalar(self, kind: Any) -> dict[str, Any]:
        """Return a scalar's schema; a variable may stand in its place."""
        schema: dict[str, Any] = kind.schema()
        if schema.get("type") == "string" and "pattern" not in schema and "format" not in schema:
            return schema
        return {"anyOf": [schema, {"$ref": "#/$defs/variable"}]}

    def _define(self, name: str, make: Any) -> dict[str, Any]:
        name = name.removesuffix("Section")
        if name not in self._defs:
            self._defs[name] = {}
            self._defs[name] = make()
        return {"$ref": f"#/$defs/{name}"}

    def _record(self, of: type) -> dict[str, Any]:
        return self._object(dict(options_of(of)))

    def _object(self, options: dict[str, Option]) -> dict[str, Any]:
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {key: self._property(option) for key, option in options.items()},
            "additionalProperties": False,
        }
        required = [key for key, option in options.items() if option.required]
        return {**schema, "required": required} if required else schema

    def _property(self, option: Option) -> dict[str, Any]:
        schema = {"description": option.doc, **self.of(option.kind)}
        default = _shown(option)
        return schema if default is None else {**schema, "default": default}

    def _check(self, *, named: bool) -> dict[str, Any]:
        """Return the schema of a check: one of the types, told apart by `type`."""
        prefix = "NamedCheck." if named else "Check."

        def one(name: str) -> dict[str, Any]:
            return self._define(prefix + name, lambda: self._typed(name, named=named))

        return {"anyOf": [one(name) for name in sorted(self._types)]}

    def _typed(self, name: str, *, named: bool) -> dict[str, Any]:
        common = {key: option for key, option in options_of(CommonCheck).items() if not (named and key == "name")}
        schema = self._object({**common, **options_of(self._types[name])})
        type_schema = {"anyOf": [{"const": name}, {"$ref": "#/$defs/variable"}]}
        schema["properties"]["type"] = {"description": common["type"].doc, **type_schema}
        return {"description": (self._types[name].__doc__ or name).splitlines()[0], **schema}

    def _notifier(self) -> dict[str, Any]:
        """Return the schema of a notifier: one of the types, told apart by `type`."""

        def one(name: str) -> dict[str, Any]:
            schema = self._object({**COMMON, **TYPES[name]})
            type_schema = {"anyOf": [{"const": name}, {"$ref": "#/$defs/variable"}]}
            schema["properties"]["type"] = {"description": COMMON["type"].doc, **type_schema}
            return schema

        return {"anyOf": [self._define(f"Notifier.{name}", partial(one, name)) for name in TYPES]}


def _shown(option: Option) -> Any:
    """Return a default the way that the file spells it, or None where the description tells it."""
    default = option.default
    if isinstance(option.kind, Duration | WholeSeconds) and isinstance(default, int | float):
        return show_seconds(default)
    if isinstance(option.kind, Percent):
        return option.kind.show(default)
    if isinstance(default, bool | int | float | str):
        return default
    return None
