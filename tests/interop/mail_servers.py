"""Postfix and dovecot on loopback, with queues, users and certificates in a folder of their own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from checks import Tls
from ports import free_port
from real_server import PATH, RealServer
from tests.interop.files import NAME, certificate, open_folder, written

USER, PASSWORD = "probe", "s3 cret\\\"'"


@dataclass(frozen=True)
class Dovecot:
    """Its ports, and the files that a check needs."""

    imap: int
    imaps: int
    imap_behind_proxy: int
    pop3: int
    pop3s: int
    pop3_behind_proxy: int
    sasl: int
    trusted: Tls
    password_file: str


@contextmanager
def dovecot() -> Iterator[Dovecot]:
    """Run dovecot with one user, who may log in under TLS only."""
    with open_folder() as folder, ExitStack() as stack:
        ports = [free_port() for _ in range(7)]
        password_file = written(folder / "password", f"{PASSWORD}\n")
        server = Dovecot(*ports, trusted=certificate(folder), password_file=password_file)
        (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        (folder / "mail").mkdir()
        (folder / "mail").chmod(0o777)
        configuration = folder / "dovecot.conf"
        configuration.write_text(_dovecot_configuration(folder, server))
        stack.enter_context(RealServer(["dovecot", "-F", "-c", configuration], folder / "log")).wait_for(server.imap)
        yield server


def _dovecot_configuration(folder: Path, server: Dovecot) -> str:
    def listeners(protocol: str, plain: int, tls: int, proxied: int) -> str:
        return f"""
service {protocol}-login {{
  inet_listener {protocol} {{
    address = 127.0.0.1
    port = {plain}
  }}
  inet_listener {protocol}s {{
    address = 127.0.0.1
    port = {tls}
    ssl = yes
  }}
  inet_listener {protocol}_behind_proxy {{
    address = 127.0.0.1
    port = {proxied}
    haproxy = yes
  }}
}}"""

    return f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = yes
# Wrong passwords are answered at once, however many come from one address.
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
haproxy_trusted_networks = 127.0.0.1
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}/mail/%u
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {server.sasl}
  }}
}}
{listeners("imap", server.imap, server.imaps, server.imap_behind_proxy)}
{listeners("pop3", server.pop3, server.pop3s, server.pop3_behind_proxy)}
"""


@dataclass(frozen=True)
class Postfix:
    """Its ports, how a client trusts it, and its log."""

    smtp: int
    smtps: int
    smtp_behind_proxy: int
    trusted: Tls
    log: Path


@contextmanager
def postfix(sasl: int) -> Iterator[Postfix]:
    """Run postfix, which asks dovecot on this port for its users' passwords, and takes mail for one recipient."""
    with open_folder() as folder, ExitStack() as stack:
        for name in ("etc", "queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        server = Postfix(free_port(), free_port(), free_port(), certificate(folder), folder / "mail.log")
        (folder / "etc/main.cf").write_text(_postfix_settings(folder, sasl))
        (folder / "etc/master.cf").write_text(_postfix_services(server))
        command = ["postfix", "-c", folder / "etc"]
        real = stack.enter_context(RealServer([*command, "start-fg"], folder / "log"))
        # Its master leaves our process group, so it is asked to stop in its own way, which waits until it has.
        stack.callback(subprocess.run, [*command, "stop"], env={"PATH": PATH}, capture_output=True, check=False)
        real.wait_for(server.smtp)
        yield server


def _postfix_settings(folder: Path, sasl: int) -> str:
    return f"""
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = {NAME}
mydestination = example.com
mynetworks =
# Nothing is asked of a name server.
smtpd_peername_lookup = no
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps = inline:{{ postmaster=x }}
smtpd_tls_cert_file = {folder}/certificate.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{sasl}
smtpd_sasl_security_options = noanonymous
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_relay_restrictions = reject_unauth_destination
smtpd_reject_unlisted_recipient = yes
"""


def _postfix_services(server: Postfix) -> str:
    rows = [
        f"127.0.0.1:{server.smtp} inet n - n - - smtpd",
        f"127.0.0.1:{server.smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes",
        f"127.0.0.1:{server.smtp_behind_proxy} inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy",
        "postlog unix-dgram n - n - 1 postlogd",
        "rewrite unix - - n - - trivial-rewrite",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "tlsmgr unix - - n 1000? 1 tlsmgr",
        "anvil unix - - n - 1 anvil",
        "proxymap unix - - n - - proxymap",
    ]
    return "\n".join(rows) + "\n"
