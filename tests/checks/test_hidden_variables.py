"""What comes to the configuration from variables of the environment that are named as secrets is told nowhere."""

import pytest

from checks import Target
from checks.engine.dialogue import Dialogue
from checks.grpc import Grpc
from checks.tcp import Tcp
from checks.wire import secrets
from checks.wire.showing import shown

TARGET = Target("192.0.2.1", 80)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_variables", {})


@pytest.mark.parametrize(
    "name", ["REDIS_PASSWORD", "TOKEN", "api_key", "DB_PASS", "SIGNING_KEY", "CLIENT_SECRET", "PW"]
)
def test_a_variable_that_is_named_as_a_secret_is_hidden(name: str) -> None:
    secrets.hide_variable(name, "Zm9v-bar")
    assert secrets.without_secrets(b"AUTH Zm9v-bar\r\n") == b"AUTH ***\r\n"
    assert secrets.text_without_secrets("AUTH Zm9v-bar") == "AUTH ***"
    assert secrets.without_secrets(b"Basic Wm05di1iYXI=") == b"Basic ***"


@pytest.mark.parametrize(
    ("name", "value"),
    [("DIRECTOR_NAME", "Zm9v-bar"), ("TOKEN_FILE", "/etc/Zm9v-bar"), ("MONKEY", "Zm9v-bar"), ("PASSWORD", "abc")],
)
def test_what_is_no_secret_or_would_be_found_everywhere_is_not(name: str, value: str) -> None:
    secrets.hide_variable(name, value)
    assert secrets.text_without_secrets(f"from {value}") == f"from {value}"


def test_a_reply_that_repeats_a_secret_is_told_without_it_in_the_verdict_too() -> None:
    secrets.hide_variable("REDIS_PASSWORD", "Zm9v-bar")
    dialogue = Dialogue(Tcp(send="AUTH Zm9v-bar\r\n", expect="+OK").converse(TARGET))
    dialogue.begin()
    dialogue.feed(b"-ERR unknown command 'AUTH Zm9v-bar'", ended=True)
    assert dialogue.verdict is not None
    assert "'AUTH ***'" in dialogue.verdict.reason
    assert "Zm9v" not in dialogue.verdict.reason


@pytest.mark.parametrize("most", range(4, 40))
def test_a_secret_that_is_cut_is_not_half_told(most: int) -> None:
    secrets.hide_variable("TOKEN", "Zm9v-bar")
    for said in ("it was Zm9v-bar, which is wrong", b"it was Zm9v-bar, which is wrong"):
        assert "Zm9" not in shown(said, most)


def test_metadata_that_a_server_repeats_is_hidden() -> None:
    next(Grpc(metadata=(("x-token", "Zm9v-bar-metadata"),)).converse(TARGET))
    assert shown(b"bad token Zm9v-bar-metadata") == "bad token ***"
