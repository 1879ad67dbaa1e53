"""`healthlb probe`: everything that one probe saw, whatever the check."""

import json
from pathlib import Path

import pytest

from checks import Evidence, Feedback, ProbeResult
from healthlb.cli.main import main
from tests.cli.test_verbs import healthlb

PROBED = (
    "virtual_servers:\n  shop:\n    address: 127.0.0.9:80\n    method: nat\n    check: [CHECKS]\n"
    "    real_servers: ['127.0.0.1:9']\n"
)


def test_a_probe_shows_what_its_check_warned_of_and_what_the_server_said_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saw = Evidence(b"GET\r\n\r\nx\x0b\x1c\x85y\r", b"50%\x1b[31m\n", "127.0.0.1:9", "CN=web, ends in 9 days")
    said = Feedback(50, percent=True, admin="ready")
    seen = ProbeResult(True, "the agent says 50%", 0.001, evidence=saw, warning="9 days\x07 left", feedback=said)

    async def probed(_probe: object) -> ProbeResult:
        return seen

    monkeypatch.setattr("healthlb.daemon.single.probe_once", probed)
    path = tmp_path / "healthlb.yaml"
    path.write_text(PROBED.replace("CHECKS", "{type: tcp, name: agent}"))
    assert main(["probe", "-c", str(path), "shop", "127.0.0.1:9"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "agent (tcp) to 127.0.0.1:9: passed: the agent says 50% in 0.0010s",
        "  warning: 9 days\ufffd left",
        "  feedback: 50 % of its weight, ready",
        "  peer: 127.0.0.1:9",
        "  certificate: CN=web, ends in 9 days",
        "  sent (first 13 bytes):",
        "    GET",
        "    ",
        r"    x\x0b\x1c\x85y",
        "  received (first 9 bytes):",
        r"    50%\x1b[31m",
    ]
    assert main(["probe", "-c", str(path), "shop", "127.0.0.1:9", "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert told["warning"] == "9 days\x07 left"
    assert told["feedback"] == {"weight": 50, "percent": True, "admin": "ready"}
    assert told["evidence"]["received"] == r"50%\x1b[31m\n"


def test_one_check_of_several_is_probed_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "healthlb.yaml"
    path.write_text(PROBED.replace("CHECKS", "{type: tcp, name: one}, {type: tcp, name: two}"))
    both = healthlb("probe", "-c", str(path), "shop", "127.0.0.1:9")
    assert [line.split(" ")[0] for line in both.stdout.splitlines() if "FAILED" in line] == ["one", "two"]
    one = healthlb("probe", "-c", str(path), "shop", "127.0.0.1:9", "--check", "two")
    assert [line.split(" ")[0] for line in one.stdout.splitlines() if "FAILED" in line] == ["two"]
    none = healthlb("probe", "-c", str(path), "shop", "127.0.0.1:9", "--check", "three")
    assert (none.returncode, none.stderr) == (
        2,
        "healthlb: there is no check 'three' of 127.0.0.1:9; there is: one, two\n",
    )


def test_validate_needs_none_of_the_files_that_a_probe_needs(tmp_path: Path) -> None:
    path = tmp_path / "healthlb.yaml"
    path.write_text(PROBED.replace("CHECKS", "{type: tcp, tls: {ca_file: /nowhere/ca.pem}}"))
    assert healthlb("validate", "-c", str(path)).returncode == 0
    probed = healthlb("probe", "-c", str(path), "shop", "127.0.0.1:9")
    assert probed.returncode == 1
    assert "NOT SENT: ca_file /nowhere/ca.pem: no such file or directory" in probed.stdout
    refused = healthlb("run", "--dry-run", "-c", str(path))
    assert (refused.returncode, refused.stderr.count("ca_file /nowhere/ca.pem")) == (2, 1)


def test_a_probe_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("healthlb.daemon.single.GRACE", 0.01)
    monkeypatch.setattr("checks.engine.Engine.start", lambda *_arguments, **_options: None)
    path = tmp_path / "healthlb.yaml"
    path.write_text(PROBED.replace("CHECKS", "{type: tcp, timeout: 10ms}"))
    assert main(["probe", "-c", str(path), "shop", "127.0.0.1:9"]) == 1
    assert "NOT SENT: the probe never ended" in capsys.readouterr().out
