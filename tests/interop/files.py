"""What real servers are given: a folder that any user may enter, and certificates in it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from checks import Tls

NAME = "server.example.com"


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a folder that servers of any user may enter; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="healthlb-servers-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def certificate(folder: Path) -> Tls:
    """Write key.pem and certificate.pem for NAME, and ca.pem; return how a client trusts them."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert(NAME)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(folder / "certificate.pem", append=number > 0)
    return Tls(ca_file=str(folder / "ca.pem"), server_name=NAME)


def written(file: Path, text: str) -> str:
    """Write a file and return its path as an option's value."""
    file.write_text(text)
    return str(file)
