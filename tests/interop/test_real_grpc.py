"""The gRPC check against gRPC's own server and its health service."""

from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from checks import Tls
from checks.grpc import Grpc
from probing import probe

Statuses = health_pb2.HealthCheckResponse


class Demanding(health.HealthServicer):
    """Answers only those who bring the right metadata."""

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC's own name
        given = dict(context.invocation_metadata())
        if given.get("authorization") != "Bearer opensesame":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are\nyou?")
        return super().Check(request, context)


def started(servicer: Any, credentials: Any = None) -> tuple[Any, int]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    if servicer is not None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    return server, port


@pytest.fixture
def servicer() -> health.HealthServicer:
    return health.HealthServicer()


@pytest.fixture
def port(servicer: health.HealthServicer) -> Iterator[int]:
    server, port = started(servicer)
    yield port
    server.stop(None).wait()


def test_a_serving_server_passes(servicer: health.HealthServicer, port: int) -> None:
    result = probe(Grpc(), port)
    assert (result.passed, result.reason) == (True, "the server is SERVING")


@pytest.mark.parametrize("status", ["SERVING", "NOT_SERVING", "UNKNOWN"])
def test_a_service_is_asked_for_by_name(servicer: health.HealthServicer, port: int, status: str) -> None:
    servicer.set("shop.v1.Cart", Statuses.ServingStatus.Value(status))
    result = probe(Grpc(service="shop.v1.Cart"), port)
    assert (result.passed, result.reason) == (status == "SERVING", f"service 'shop.v1.Cart' is {status}")


def test_a_service_that_the_server_does_not_know(port: int) -> None:
    assert probe(Grpc(service="x" * 300), port).reason.endswith("(NOT_FOUND)")


def test_a_server_without_the_health_service() -> None:
    server, port = started(None)
    try:
        result = probe(Grpc(), port)
    finally:
        server.stop(None).wait()
    assert result.reason == "the server has no health service, grpc.health.v1.Health (UNIMPLEMENTED)"


def test_a_server_that_demands_metadata_gets_it() -> None:
    server, port = started(Demanding())
    try:
        refused = probe(Grpc(), port)
        admitted = probe(Grpc(metadata=(("authorization", "Bearer opensesame"),)), port)
    finally:
        server.stop(None).wait()
    assert refused.reason == r"the health service answered UNAUTHENTICATED: 'who are\nyou?'"
    assert admitted.passed
    assert admitted.evidence is not None
    assert b"opensesame" not in admitted.evidence.sent


def test_over_tls_the_certificate_is_verified(servicer: health.HealthServicer, tmp_path: Path) -> None:
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    issued = authority.issue_cert("cart.example")
    chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(issued.private_key_pem.bytes(), chain)])
    server, port = started(servicer, credentials)
    try:
        trusted = probe(Grpc(tls=Tls(ca_file=str(ca_file), server_name="cart.example")), port)
        unknown = probe(Grpc(tls=Tls()), port)
    finally:
        server.stop(None).wait()
    assert (trusted.passed, trusted.reason) == (True, "the server is SERVING")
    assert unknown.reason == "certificate is from an unknown authority"
