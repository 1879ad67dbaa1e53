"""Serving openapi.json, made once for each listener from the routes that it serves, when it is first asked for."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from aiohttp import web

from healthlb import __version__
from healthlb.api.answers import JSON, document
from healthlb.api.openapi.operations import operation
from healthlb.api.openapi.schemas import Schemas
from healthlb.api.picking import encode
from healthlb.api.rendering import Rendering, in_slices
from healthlb.api.routes import ROUTES, TAGGED, Answer, Asked, Route, add_reading, reading

_WORDS = (
    "The API of a healthlb director. Every path that answers GET answers HEAD as well. What is wrong is told as"
    " {error}, one sentence for each fault. Moments are RFC 3339 in UTC, durations are seconds."
)
OPENAPI = reading(
    "/api/v1/openapi.json",
    "This document",
    {200: Answer("OpenAPI 3.1.", {JSON: dict[str, Any]}, TAGGED)},
)


class Openapi:
    """The document of one listener. `needs_token`: its commands do."""

    def __init__(self, application: web.Application, *, needs_token: bool = False) -> None:
        self._application = application
        self._needs_token = needs_token
        self._rendering: Rendering | None = None

    def add_route(self) -> None:
        """Add the route; all that are added are in the document."""
        add_reading(self._application, OPENAPI, self._answer)

    async def _answer(self, request: web.Request, _asked: Asked) -> web.StreamResponse:
        if self._rendering is None:
            self._rendering = await in_slices(pieces(self._application[ROUTES], needs_token=self._needs_token))
        return await document(request, self._rendering, JSON)


def pieces(routes: list[Route], *, needs_token: bool) -> Iterator[str]:
    """Yield the document, an operation at a time."""
    schemas = Schemas()
    head = {"openapi": "3.1.0", "info": {"title": "healthlb", "version": __version__, "description": _WORDS}}
    yield encode(head)[:-1] + ',"paths":'
    comma = "{"
    for path, those in groupby(sorted(routes, key=lambda route: route.path), key=lambda route: route.path):
        yield f"{comma}{encode(path)}:"
        comma = "{"
        for each in those:
            yield f"{comma}{encode(each.method.lower())}:{encode(operation(each, schemas, needs_token=needs_token))}"
            comma = ","
        yield "}"
    components: dict[str, Any] = {"schemas": schemas.components}
    if needs_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    yield '},"components":' + encode(components) + "}\n"
