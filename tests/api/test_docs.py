"""docs/http.md tells of everything that there is."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from healthlb.api import document, shapes
from healthlb.api.application import admin_application
from healthlb.api.commands import COMMANDS
from healthlb.api.openapi.serving import pieces
from healthlb.api.picking import paths_of
from healthlb.api.routes import ROUTES
from healthlb.model.endpoint import Endpoint
from healthlb.model.evidence import Evidence, SeenProbe
from healthlb.model.health import Feedback
from healthlb.model.overrides import Addition, Override, Removal, Scope
from healthlb.model.snapshot import LeavingStatus, NotifierStatus, Snapshot
from made_up_pair import PAIR

TEXT = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"[a-z0-9_]+", TEXT))


def names(value: Any) -> set[str]:
    """Return every key of a document."""
    if isinstance(value, dict):
        return set(value).union(*map(names, value.values()))
    if isinstance(value, list):
        return set().union(*map(names, value))
    return set()


def test_the_document_names_every_route(source: Any) -> None:
    application = admin_application(source, source)
    for resource in application.router.resources():
        path = resource.canonical.replace("/api/v1/hosts/{host}", "…").replace(
            "/api/v1/virtual_servers/{vs}/real_servers/{rs}", "…"
        )
        assert path in {"/", "…"} or path in TEXT, path
    for command in COMMANDS:
        assert f"{command.method} …{command.path}" in TEXT
        assert set(command.kinds) <= WORDS


def with_everything(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot that has one of all that may be absent."""
    (pool,) = snapshot.virtual_servers
    server = pool.real_servers[0]
    seen = SeenProbe(0.0, "no", 0.1, Evidence())
    check = dataclasses.replace(server.checks[0], feedback=Feedback(50, True, None), last_failure=seen, last_pass=seen)
    drain = Override(Scope("shop", server.address.address, None), "drain")
    server = dataclasses.replace(server, checks=(check,), overrides=(drain,))
    row = Endpoint("192.0.2.7", 80)
    pool = dataclasses.replace(
        pool,
        real_servers=(server,),
        sorry_servers=(server,),
        leaving=(LeavingStatus(row, 0.0, None),),
        removed=(Removal("shop", row),),
    )
    director = dataclasses.replace(
        snapshot.director,
        overrides=(drain,),
        additions=(Addition("shop", row, "{}"),),
        notifiers=(NotifierStatus("oncall", "webhook", 0, 0, 0, 0),),
    )
    return dataclasses.replace(snapshot, virtual_servers=(pool,), director=director, pair=PAIR)


def test_the_document_and_the_openapi_document_tell_of_the_same_paths_and_fields(source: Any) -> None:
    """What docs/http.md lists as routes and as fields of the status is in openapi.json, and the other way round."""
    application = admin_application(source, source, "a token")
    told = json.loads("".join(pieces(application[ROUTES], needs_token=True)))
    place = re.compile(r"/api/v1/virtual_servers/\{vs\}/real_servers/\{rs\}(?=/)|/api/v1/hosts/\{host\}(?=/)")
    served = {(method.upper(), place.sub("…", path)) for path, methods in told["paths"].items() for method in methods}
    listed = set(re.findall(r"`(GET|POST|PUT|DELETE) ([^` ]+)`", TEXT))
    listed |= {("GET", "/api/v1/virtual_servers/{name}")}
    assert listed == served
    parameters = {
        each["name"] for methods in told["paths"].values() for one in methods.values() for each in one["parameters"]
    }
    assert {name for name in parameters if name.isidentifier()} - WORDS - {"vs", "rs", "host", "instance"} == set()
    fields = {path.rpartition(".")[2] for path in paths_of(shapes.Status)}
    assert fields - WORDS == set()
    rows = re.findall(r"^\| (`.*?`) \|", TEXT[TEXT.index("## The status") :], re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"[a-z_0-9]+", row)}
    assert named - fields == set()


def test_the_document_names_every_field_of_the_status(source: Any) -> None:
    told = json.loads("".join(document.status(with_everything(source.current))))
    assert names(told) - WORDS == set()
