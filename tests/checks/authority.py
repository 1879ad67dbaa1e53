"""A certificate authority for the tests of TLS."""

import ssl
from pathlib import Path
from typing import Any

import trustme


class Authority:
    """A certificate authority with its files in a directory, and contexts for servers under it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = trustme.CA()
        self.ca_file = str(directory / "ca.pem")
        self.authority.cert_pem.write_to_path(self.ca_file)

    def server(self, *names: str, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names, **options).configure_cert(context)
        return context

    def client_file(self, name: str = "client.pem") -> str:
        path = self.directory / name
        self.authority.issue_cert("probe.example").private_key_and_cert_chain_pem.write_to_path(str(path))
        return str(path)
