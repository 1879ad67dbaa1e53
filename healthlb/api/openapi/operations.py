"""Routes as the operations of OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

import re
from typing import Any

from healthlb.api import shapes
from healthlb.api.openapi.schemas import Schema, Schemas
from healthlb.api.routes import Answer, Route

TOKEN: list[Schema] = [{"token": []}]
_PLACES = {
    "name": "a virtual server's name",
    "vs": "a virtual server's name",
    "rs": "a real server's name, its address and port, or an address that no other server of the pool has",
    "host": "an address, or an address and port",
    "instance": "a VRRP instance's name",
}
_PLACE: Schema = {"type": "string", "minLength": 1}
_HEADERS: dict[str, Schema] = {
    "ETag": {"description": "for If-None-Match", "schema": {"type": "string", "pattern": '^W/"[0-9a-f]+"$'}},
    "Vary": {"schema": {"type": "string"}},
    "Link": {"description": "`next` and `prev` (RFC 8288)", "schema": {"type": "string"}},
    "Retry-After": {"description": "seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "WWW-Authenticate": {"schema": {"type": "string"}},
}
_REQUIRED = {"ETag", "Vary", "WWW-Authenticate"}


def operation(route: Route, schemas: Schemas, *, needs_token: bool) -> Schema:
    """Return the operation of a route."""
    answers = {
        str(status): _answer(each, schemas)
        for status, each in sorted(route.answers.items())
        if needs_token or status not in {401, 429}
    }
    made: Schema = {
        "summary": route.summary,
        "operationId": name_of(route),
        "parameters": _parameters(route),
        "responses": answers,
    }
    if route.body is not None:
        made["requestBody"] = {
            "required": bool(route.required),
            "content": {"application/json": {"schema": _body(route)}},
        }
    if needs_token and (route.guarded or route.trusted):
        made["security"] = TOKEN if route.guarded else [*TOKEN, {}]
    return made


def name_of(route: Route) -> str:
    """Return a name that no other route has: `get_api_v1_status`."""
    return f"{route.method.lower()}_{re.sub('[^a-z0-9]+', '_', route.path).strip('_')}".rstrip("_")


def _answer(answer: Answer, schemas: Schemas) -> Schema:
    made: Schema = {"description": answer.when}
    if answer.headers:
        made["headers"] = {
            name: {**_HEADERS[name], "required": name in _REQUIRED and len(answer.bodies) < 2}
            for name in answer.headers
        }
    if answer.bodies:
        made["content"] = {kind: {"schema": _content(shape, answer, schemas)} for kind, shape in answer.bodies.items()}
    return made


def _content(shape: Any, answer: Answer, schemas: Schemas) -> Schema:
    if shape is None:
        if "event-stream" in "".join(answer.bodies):
            schemas.of(shapes.Gap)
        return {"type": "string"}
    whole = schemas.of(shape)
    return {"anyOf": [whole, schemas.of(shape, part=True)]} if answer.part else whole


def _parameters(route: Route) -> list[Schema]:
    places = [
        {"name": name, "in": "path", "required": True, "description": _PLACES[name], "schema": _PLACE}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    asked = []
    for name, kind in (route.asked or {}).items():
        schema, how = dict(kind.schema), {}
        if name in route.repeated:
            schema = {"type": "array", "items": schema, "minItems": 1}
        elif schema.get("type") == "array":
            how = {"style": "form", "explode": False}
        asked.append({"name": name, "in": "query", "required": name in route.needed, **how, "schema": schema})
    headers = [{"name": name, "in": "header", "schema": dict(kind.schema)} for name, kind in route.headers.items()]
    return [*places, *asked, *headers]


def _body(route: Route) -> Schema:
    """Return the schema of a body: null says as little as a key that is not there, where it need not be."""
    kinds = route.body or {}
    properties = {
        name: dict(kind.schema) if name == route.required else {"anyOf": [dict(kind.schema), {"type": "null"}]}
        for name, kind in kinds.items()
    }
    required = {"required": [route.required]} if route.required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **required}
