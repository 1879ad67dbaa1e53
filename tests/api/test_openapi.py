"""openapi.json is what the listener serves, and every answer keeps to it."""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthlb.api import document
from healthlb.api.application import admin_application, read_only_application
from healthlb.api.openapi.serving import pieces
from healthlb.api.queries import host
from healthlb.api.reading import orders, real_servers
from healthlb.api.routes import ROUTES
from healthlb.api.server import serve
from healthlb.model.changes import ChangeOutcome
from healthlb.model.config import Listener
from healthlb.model.endpoint import Endpoint
from healthlb.model.snapshot import Snapshot
from tests.api.conftest import Journal, Source, degraded, occurrence
from tests.api.test_documents import rendered, snapshots

BEARER = "an operator's token"
FEW = settings(max_examples=25)


def described(application: Any, *, needs_token: bool = True) -> Any:
    return json.loads("".join(pieces(application[ROUTES], needs_token=needs_token)))


SOURCE = Source(degraded())
ADMIN = described(admin_application(SOURCE, SOURCE, BEARER))
READ_ONLY = described(read_only_application(SOURCE), needs_token=False)


def validator(schema: Any) -> Any:
    """Return a validator of a schema of the document's."""
    return jsonschema.Draft202012Validator({**schema, "components": ADMIN["components"]})


WHOLE = {
    name: validator({"$ref": f"#/components/schemas/{name}"})
    for name in ("Status", "VirtualServers", "RealServers", "Orders")
}


def documents(snapshot: Snapshot) -> Iterator[tuple[str, Any]]:
    """Yield each document of a snapshot with the name of its shape."""
    yield "Status", json.loads(rendered(document.status(snapshot)))
    yield "VirtualServers", json.loads(rendered(document.virtual_servers(snapshot)))
    yield "RealServers", json.loads(rendered(real_servers(snapshot, lambda *_: True)))
    yield "Orders", json.loads(rendered(orders(snapshot, settings=True)))


@FEW
@given(snapshots)
def test_every_document_of_any_snapshot_is_as_it_is_described(snapshot: Snapshot) -> None:
    for name, told in documents(snapshot):
        WHOLE[name].validate(told)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a document that has a field."""
    if isinstance(value, dict):
        if value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from objects(each)


@FEW
@given(snapshots, st.data())
def test_a_field_that_is_missing_or_not_described_is_found_wherever_it_is(snapshot: Snapshot, data: Any) -> None:
    name, told = data.draw(st.sampled_from(list(documents(snapshot))))
    places = list(objects(told))
    place = places[data.draw(st.integers(0, len(places) - 1))]
    field = data.draw(st.sampled_from(sorted(place)))
    if field != "settings":
        value = place.pop(field)
        assert not WHOLE[name].is_valid(told)
        place[field] = value
    place["undescribed"] = 1
    assert not WHOLE[name].is_valid(told)


@pytest.mark.parametrize("told", [ADMIN, READ_ONLY])
def test_every_schema_is_one_and_leads_nowhere_else(told: Any) -> None:
    for schema in told["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    references = {each["$ref"] for each in objects(told) if "$ref" in each}
    assert references <= {f"#/components/schemas/{name}" for name in told["components"]["schemas"]}
    operations = [each["operationId"] for methods in told["paths"].values() for each in methods.values()]
    assert len(set(operations)) == len(operations)


def served(application: Any) -> set[tuple[str, str]]:
    return {
        (route.resource.canonical, route.method.lower())
        for route in application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


def test_all_that_a_listener_serves_is_described_and_nothing_else() -> None:
    for told, application in (
        (ADMIN, admin_application(SOURCE, SOURCE, BEARER)),
        (READ_ONLY, read_only_application(SOURCE)),
    ):
        assert {(path, method) for path, methods in told["paths"].items() for method in methods} == served(application)


def test_the_listener_for_reading_describes_no_command_and_no_token() -> None:
    assert {method for methods in READ_ONLY["paths"].values() for method in methods} == {"get"}
    assert "securitySchemes" not in READ_ONLY["components"]


def test_every_parameter_is_described_by_what_takes_it() -> None:
    """What a schema lets through is taken, what is beyond its bounds is not."""
    limit = next(each for each in ADMIN["paths"]["/api/v1/events"]["get"]["parameters"] if each["name"] == "limit")
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000}
    asked = {each["name"] for each in ADMIN["paths"]["/api/v1/real_servers"]["get"]["parameters"]}
    assert asked == {"host", "virtual_server", "real_server", "fields", "problems"}
    assert all(host(example) for example in host.schema["examples"])


def test_a_body_has_the_keys_that_its_command_takes() -> None:
    body = ADMIN["paths"]["/api/v1/hosts/{host}/weight"]["put"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert (body["required"], schema["required"]) == (True, ["weight"])
    assert set(schema["properties"]) == {"weight", "expires", "why", "by"}
    assert schema["additionalProperties"] is False


SHOP = "/api/v1/virtual_servers/{vs}/real_servers"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("operation", "at", "more", "status"),
    [
        ("get /", "/", {}, 200),
        ("get /", "/", {"headers": {"Accept": "text/html"}}, 200),
        ("get /assets/{name}", "/assets/icon-ok.svg", {}, 200),
        ("get /assets/{name}", "/assets/none", {}, 404),
        ("get /api/v1/overview", "/api/v1/overview", {}, 200),
        ("get /api/v1/overview", "/api/v1/overview", {"headers": {"If-None-Match": "*"}}, 304),
        ("get /api/v1/rows", "/api/v1/rows?virtual_server=shop&count=1", {}, 200),
        ("get /api/v1/rows", "/api/v1/rows", {}, 400),
        ("get /api/v1/rows", "/api/v1/rows?virtual_server=none", {}, 404),
        ("get /api/v1/history", "/api/v1/history?virtual_server=shop", {}, 404),
        ("get /healthz", "/healthz", {}, 200),
        ("get /readyz", "/readyz", {}, 200),
        ("get /metrics", "/metrics", {}, 200),
        ("get /api/v1/status", "/api/v1/status", {}, 200),
        ("get /api/v1/status", "/api/v1/status?fields=director.config.sha256&problems=1", {}, 200),
        ("get /api/v1/status", "/api/v1/status?feilds=ready", {}, 400),
        ("get /api/v1/status", "/api/v1/status", {"headers": {"Accept": "text/html"}}, 406),
        ("get /api/v1/status", "/api/v1/status", {"headers": {"If-None-Match": "*"}}, 304),
        ("get /api/v1/virtual_servers", "/api/v1/virtual_servers", {}, 200),
        ("get /api/v1/virtual_servers/{name}", "/api/v1/virtual_servers/shop", {}, 200),
        ("get /api/v1/virtual_servers/{name}", "/api/v1/virtual_servers/none", {}, 404),
        ("get /api/v1/real_servers", "/api/v1/real_servers?problems=1", {}, 200),
        ("get /api/v1/overrides", "/api/v1/overrides", {}, 200),
        ("get /api/v1/events", "/api/v1/events?limit=1", {}, 200),
        ("get /api/v1/openapi.json", "/api/v1/openapi.json", {}, 200),
        (f"post {SHOP}/{{rs}}/drain", "web1/drain", {}, 200),
        (f"post {SHOP}/{{rs}}/drain", "web1/drain", {"data": b"[]", "headers": JSON}, 422),
        (f"post {SHOP}/{{rs}}/drain", "web1/drain", {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        (f"post {SHOP}/{{rs}}/drain", "web1/drain", {"data": b"x" * 70_000, "headers": JSON}, 413),
        (f"post {SHOP}/{{rs}}/drain", "web1/drain", {"headers": {"Origin": "http://else.where"}}, 403),
        (f"post {SHOP}/{{rs}}/drain", "web1/drain", {"headers": {"Authorization": ""}}, 401),
        (f"put {SHOP}/{{rs}}/weight", "web1/weight", {"json": {"weight": 3}}, 200),
        ("post /api/v1/reload", "/api/v1/reload", {}, 200),
        ("post /api/v1/reload", "/api/v1/reload", {"json": {"wait": False}}, 202),
        ("post /api/v1/reload", "/api/v1/reload", {"json": {"wait": 5}}, 422),
    ],
)
def test_an_answer_has_the_status_the_type_the_headers_and_the_shape_that_are_described(
    source: Any, operation: str, at: str, more: dict[str, Any], status: int
) -> None:
    source.came_of_it = ChangeOutcome("done", "it is done", (("shop", "web1"),), ("shop is empty",))
    method, path = operation.split()
    events = Journal(*map(occurrence, range(1, 4)))
    at = at if at.startswith("/") else f"/api/v1/virtual_servers/shop/real_servers/{at}"

    async def run() -> None:
        application = admin_application(source, source, BEARER, events=events)
        running = await serve(application, Listener(Endpoint("127.0.0.1", 0)))
        try:
            async with (
                aiohttp.ClientSession(
                    f"http://{running.listener}", headers={"Authorization": f"Bearer {BEARER}"}
                ) as session,
                session.request(method, at, **copy.deepcopy(more)) as response,
            ):
                assert response.status == status
                told = ADMIN["paths"][path][method]["responses"][str(status)]
                for name, header in told.get("headers", {}).items():
                    assert name in response.headers or not header["required"]
                if "content" not in told:
                    assert await response.read() == b""
                    return
                schema = told["content"][response.headers["Content-Type"]]["schema"]
                text = await response.text()
                validator(schema).validate(text if schema == {"type": "string"} else json.loads(text))
        finally:
            await running.close()

    asyncio.run(run())
