"""Variables of the environment that are named as secrets are kept out of what is told, as soon as the file is read."""

from pathlib import Path

import pytest

from checks.wire import secrets
from healthlb.config.loader import Loader

FILE = """
virtual_servers:
  shop:
    address: 192.0.2.1:80
    check: {type: tcp, send: "AUTH ${REDIS_PASSWORD}", expect: "${GREETING}"}
    real_servers: ["192.0.2.11:80"]
"""


def test_a_password_from_the_environment_is_hidden_and_a_greeting_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "_variables", {})
    path = tmp_path / "healthlb.yaml"
    path.write_text(FILE)
    Loader(str(path), environ={"REDIS_PASSWORD": "0pen-sesame-9", "GREETING": "well-met-then"}).load()
    assert secrets.text_without_secrets("0pen-sesame-9, well-met-then") == "***, well-met-then"
