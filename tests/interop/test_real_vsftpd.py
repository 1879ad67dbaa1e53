"""The check of FTP against vsftpd."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checks import Tls
from checks.ftp import Ftp
from ports import free_port
from probing import probe
from real_server import RealServer
from tests.interop.files import NAME, certificate, open_folder, written


@dataclass(frozen=True)
class Vsftpd:
    """Its ports (TLS by upgrade, and from the first byte) and the files that a check needs."""

    ftp: int
    ftps: int
    trusted: Tls
    password_file: str


@contextmanager
def vsftpd() -> Iterator[Vsftpd]:
    """Run vsftpd with files for anonymous, who must know a word."""
    with open_folder() as folder:
        (folder / "files/pub").mkdir(parents=True)
        (folder / "empty").mkdir()
        word = written(folder / "word", "a word\n")
        server = Vsftpd(free_port(), free_port(), certificate(folder), word)
        settings = {
            "listen": "YES",
            "listen_address": "127.0.0.1",
            "background": "NO",
            "anonymous_enable": "YES",
            "secure_email_list_enable": "YES",
            "email_password_file": word,
            "anon_root": folder / "files",
            "secure_chroot_dir": folder / "empty",
            "ftp_username": "ftp",
            "nopriv_user": "nobody",
            "xferlog_enable": "NO",
            "ssl_enable": "YES",
            "allow_anon_ssl": "YES",
            "force_anon_logins_ssl": "NO",
            "force_anon_data_ssl": "NO",
            "rsa_cert_file": folder / "certificate.pem",
            "rsa_private_key_file": folder / "key.pem",
        }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        plain = written(folder / "plain.conf", f"{text}listen_port={server.ftp}\n")
        tls = written(folder / "tls.conf", f"{text}listen_port={server.ftps}\nimplicit_ssl=YES\n")
        with (
            RealServer(["vsftpd", plain], folder / "plain.log") as by_upgrade,
            RealServer(["vsftpd", tls], folder / "tls.log") as from_the_start,
        ):
            by_upgrade.wait_for(server.ftp)
            from_the_start.wait_for(server.ftps)
            yield server


@pytest.fixture(scope="module")
def server() -> Iterator[Vsftpd]:
    """Yield a vsftpd."""
    with vsftpd() as running:
        yield running


def test_vsftpd_greets(server: Vsftpd) -> None:
    result = probe(Ftp(), server.ftp)
    assert (result.passed, result.reason) == (True, "220 (vsFTPd 3.0.3)")


def test_vsftpd_checks_credentials_and_shows_the_directory(server: Vsftpd, tmp_path: Path) -> None:
    check = Ftp(username="anonymous", password_file=server.password_file, directory="/pub")
    assert probe(check, server.ftp).reason == "220 (vsFTPd 3.0.3), logged in, /pub is there"
    absent = probe(replace(check, directory="/none"), server.ftp)
    assert (absent.passed, absent.reason) == (False, "directory /none refused: 550 Failed to change directory.")
    refused = probe(replace(check, password_file=written(tmp_path / "wrong", "another\n")), server.ftp)
    assert (refused.passed, refused.reason) == (False, "the server refused the credentials: 530 Login incorrect.")


def test_vsftpd_upgrades_to_tls_or_begins_with_it(server: Vsftpd) -> None:
    anybody = {"username": "anonymous", "password_file": server.password_file}
    for check, port in (
        (Ftp(starttls=server.trusted), server.ftp),
        (Ftp(starttls=server.trusted, **anybody), server.ftp),
        (Ftp(tls=server.trusted, **anybody), server.ftps),
    ):
        result = probe(check, port)
        assert result.passed, result
        assert ", over TLS" in result.reason
        assert result.evidence is not None
        assert NAME in result.evidence.certificate


def test_a_certificate_of_vsftpd_that_is_not_trusted_fails_after_auth_tls(server: Vsftpd) -> None:
    result = probe(Ftp(starttls=Tls(server_name=NAME)), server.ftp)
    assert (result.passed, result.reason) == (False, "certificate is from an unknown authority")
