"""TLS settings: the files they name, and the contexts that are made of them and kept."""

import os
import shutil
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from checks import Target, Tls, UnusableError
from checks.engine.tls import Contexts, make_context
from checks.http import Https
from checks.tcp import Tcp
from tests.checks.authority import Authority

Run = Callable[[Callable[[Any], Awaitable[None]]], None]


def settings(authority: Authority) -> dict[str, tuple[Tls, str]]:
    missing = str(authority.directory / "missing.pem")
    empty = authority.directory / "empty.pem"
    empty.write_text("nothing here\n")
    encrypted = authority.directory / "encrypted.pem"
    encrypted.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    client = authority.client_file()
    no_pair = "is no PEM certificate with its unencrypted key"
    return {
        "no ca": (Tls(ca_file=missing), f"ca_file {missing}: no such file or directory"),
        "bad ca": (Tls(ca_file=str(empty)), f"ca_file {empty} holds no PEM certificates"),
        "no certificate": (Tls(certificate_file=missing), f"certificate_file {missing}: no such file or directory"),
        "bad certificate": (Tls(certificate_file=str(empty)), f"certificate_file {empty} {no_pair}"),
        "encrypted key": (
            Tls(certificate_file=client, key_file=str(encrypted)),
            f"certificate_file {client} with key_file {encrypted} {no_pair}",
        ),
        "bad name": (Tls(verify=False, server_name="." * 70), f"server_name {'.' * 70} is not a host name"),
    }


@pytest.mark.parametrize("case", ["no ca", "bad ca", "no certificate", "bad certificate", "encrypted key", "bad name"])
def test_settings_that_cannot_be_used_are_no_word_about_the_server(run: Run, authority: Authority, case: str) -> None:
    async def scenario(bench: Any) -> None:
        tls, sentence = settings(authority)[case]
        result = await bench.probe(Https(tls=tls), Target("127.0.0.1", 9))
        assert (result.passed, result.sent, result.reason) == (False, False, f"not sent: {sentence}")
        assert bench.faults == []

    run(scenario)


def test_preparing_says_what_cannot_be_used(run: Run, authority: Authority) -> None:
    async def scenario(bench: Any) -> None:
        assert bench.engine.prepare(Tls(ca_file=authority.ca_file)) is None
        tls, sentence = settings(authority)["no ca"]
        assert bench.engine.prepare(tls) == sentence

    run(scenario)


def test_contexts_are_shared_whatever_the_server_name_and_kept_until_a_file_changes(
    authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "client.pem"
    shutil.copy(authority.client_file(), path)
    contexts = Contexts()
    plain = Tls(ca_file=authority.ca_file, certificate_file=str(path))
    first = contexts.get(plain, 0.0)
    assert contexts.get(replace(plain, server_name="web.example"), 0.5) is first
    assert contexts.get(replace(plain, verify=False), 0.5) is not first
    assert contexts.get(plain, 2.0) is first

    os.utime(path, ns=(1, 1))
    assert contexts.get(plain, 2.5) is first
    second = contexts.get(plain, 3.5)
    assert second is not first

    path.write_text("half a file")
    with pytest.raises(UnusableError):
        contexts.get(plain, 5.0)
    shutil.copy(authority.client_file("renewed.pem"), path)
    assert contexts.get(plain, 5.1) is not second


def test_a_file_that_cannot_be_used_is_not_tried_by_every_probe(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Tls] = []

    def remember(settings: Tls) -> ssl.SSLContext:
        tried.append(settings)
        return make_context(settings)

    monkeypatch.setattr("checks.engine.tls.make_context", remember)
    path = tmp_path / "client.pem"
    path.write_text("half a file")
    contexts = Contexts()
    settings = Tls(ca_file=authority.ca_file, certificate_file=str(path))
    for now in (0.0, 0.1, 0.9):
        with pytest.raises(UnusableError, match="is no PEM certificate"):
            contexts.get(settings, now)
    assert len(tried) == 1
    with pytest.raises(UnusableError):
        contexts.get(settings, 2.0)
    assert len(tried) == 2
    path.chmod(0o600)
    with pytest.raises(UnusableError):
        contexts.get(settings, 2.1)
    assert len(tried) == 3


def test_contexts_of_settings_that_are_gone_are_forgotten(authority: Authority) -> None:
    contexts = Contexts()
    kept, gone = Tls(ca_file=authority.ca_file), Tls(verify=False)
    of_kept, of_gone = contexts.get(kept, 0.0), contexts.get(gone, 0.0)
    contexts.keep_only({kept})
    assert contexts.get(kept, 0.0) is of_kept
    assert contexts.get(gone, 0.0) is not of_gone


def test_a_reload_forgets_only_what_no_check_uses(run: Run, authority: Authority, tmp_path: Path) -> None:
    async def scenario(bench: Any) -> None:
        path = tmp_path / "ca.pem"
        shutil.copy(authority.ca_file, path)
        kept, gone = Tls(ca_file=authority.ca_file), Tls(ca_file=str(path))
        assert [bench.engine.prepare(kept), bench.engine.prepare(gone)] == [None, None]
        path.unlink()
        bench.engine.keep_only([kept])
        assert bench.engine.prepare(gone) == f"ca_file {path}: no such file or directory"

    run(scenario)


def test_by_default_the_systems_authorities_are_trusted() -> None:
    context = make_context(Tls())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats() == ssl.create_default_context().cert_store_stats()


@pytest.mark.parametrize(
    "settings",
    [
        Tls(verify=False, alpn=("h\xe9",)),
        Tls(verify=False, alpn=("x" * 256,)),
        Tls(ca_file="/a\0b"),
        Tls(verify=False, server_name="a\0b"),
        Tls(verify=False, server_name="."),
        Tls(verify=False, server_name=".a"),
        Tls(verify=False, server_name="a." * 130),
        Tls(verify=False, server_name="x" * 64),
    ],
    ids=["alpn", "long alpn", "path", "nul", "dot", "dot first", "long name", "long label"],
)
def test_what_no_handshake_could_carry_is_told_before_any_probe(run: Run, settings: Tls) -> None:
    async def scenario(bench: Any) -> None:
        assert bench.engine.prepare(settings)
        result = await bench.probe(Tcp(tls=settings), Target("127.0.0.1", 9))
        assert (result.passed, result.sent) == (False, False)
        assert bench.faults == []

    run(scenario)
