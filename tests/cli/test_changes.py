"""The verbs that change something: what each asks of the director, and what it makes of the answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from healthlb.cli import reaching
from healthlb.cli.main import main
from healthlb.cli.times import local
from ports import free_port
from tests.cli.stand_in import StandIn, standing_in

RS = "/api/v1/virtual_servers/shop/real_servers/web1"
HOST = "/api/v1/hosts/192.0.2.11"
DONE = {
    "result": "done",
    "message": "web1 in shop is drained.",
    "servers": [{"virtual_server": "shop", "real_server": "web1"}],
    "warnings": [],
}


@pytest.fixture(autouse=True)
def _nobody_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)


@pytest.fixture
def director(tmp_path: Path) -> Iterator[StandIn]:
    with standing_in(lambda _: (200, DONE), tmp_path / "admin.sock") as server:
        yield server


@pytest.mark.parametrize(
    ("words", "method", "path", "body"),
    [
        ("drain shop web1", "POST", f"{RS}/drain", {}),
        ("drain --host 192.0.2.11", "POST", f"{HOST}/drain", {}),
        ("drain shop web1 --remove --deadline 5m", "POST", f"{RS}/drain", {"remove": True, "deadline": 300.0}),
        ("drain shop web1 --for 2h --why disks", "POST", f"{RS}/drain", {"expires": 7200.0, "why": "disks"}),
        ("undrain shop web1", "POST", f"{RS}/undrain", {}),
        ("enable shop web1", "POST", f"{RS}/undrain", {}),
        ("undrain --host 192.0.2.11 --why done", "POST", f"{HOST}/undrain", {"why": "done"}),
        ("disable shop web1 --for 500ms", "POST", f"{RS}/disable", {"expires": 0.5}),
        ("disable --host 192.0.2.11:80", "POST", f"{HOST}:80/disable", {}),
        ("weight shop web1 0", "PUT", f"{RS}/weight", {"weight": 0}),
        ("weight shop web1 65535 --for 1d", "PUT", f"{RS}/weight", {"weight": 65535, "expires": 86400.0}),
        ("weight shop web1 --reset", "DELETE", f"{RS}/weight", {}),
        ("weight --host 192.0.2.11 5", "PUT", f"{HOST}/weight", {"weight": 5}),
        ("weight --host 192.0.2.11 --reset --why ok", "DELETE", f"{HOST}/weight", {"why": "ok"}),
        ("remove shop web1 --why gone", "DELETE", RS, {"why": "gone"}),
        ("reload", "POST", "/api/v1/reload", {"wait": False}),
        ("reload --wait --force --why now", "POST", "/api/v1/reload", {"wait": True, "force": True, "why": "now"}),
    ],
)
def test_each_verb_asks_for_what_its_words_say(
    words: str, method: str, path: str, body: dict[str, Any], *, director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--url", director.url]) == 0
    [asked] = director.asked
    assert (asked.method, asked.plain, asked.body) == (method, path, body)
    assert capsys.readouterr() == ("web1 in shop is drained.\n", "")


@pytest.mark.parametrize(
    ("words", "real_server"),
    [
        (["192.0.2.9:80"], {"address": "192.0.2.9:80"}),
        (
            ["192.0.2.9:80", "--weight", "3", "--name", "web9"],
            {"address": "192.0.2.9:80", "name": "web9", "weight": 3},
        ),
        (
            ["192.0.2.9:80", "--set", "method=dr", "--set", 'check={"type": "tcp"}', "--set", "slow_start=30s"],
            {"address": "192.0.2.9:80", "method": "dr", "check": {"type": "tcp"}, "slow_start": "30s"},
        ),
        (["192.0.2.9:80", "--set", "upper_threshold=5"], {"address": "192.0.2.9:80", "upper_threshold": 5}),
    ],
)
def test_a_server_is_added_with_the_keys_that_the_file_has(
    words: list[str], real_server: dict[str, Any], director: StandIn
) -> None:
    assert main(["add", "shop", *words, "--why", "busy", "--url", director.url]) == 0
    [asked] = director.asked
    assert (asked.method, asked.plain) == ("POST", "/api/v1/virtual_servers/shop/real_servers")
    assert asked.body == {"real_server": real_server, "why": "busy"}


def test_a_name_with_a_slash_stays_one_name(director: StandIn) -> None:
    assert main(["drain", "a/b", "[2001:db8::1]:80", "--url", director.url]) == 0
    assert director.asked[0].path == "/api/v1/virtual_servers/a%2Fb/real_servers/%5B2001%3Adb8%3A%3A1%5D%3A80/drain"


def test_options_may_stand_between_the_words(director: StandIn) -> None:
    assert main(["weight", "--why", "x", "shop", "--url", director.url, "web1", "5"]) == 0
    assert director.asked[0].plain == f"{RS}/weight"


@pytest.mark.parametrize(
    "words",
    [
        "drain",
        "drain shop",
        "drain shop web1 web2",
        "drain shop --host 192.0.2.11",
        "drain --host=",
        "drain shop web1 --deadline 5m",
        "drain shop web1 --for soon",
        "drain shop web1 --for 0",
        "drain shop web1 --wait --deadline -5",
        "drain shop web1 -x",
        "undrain shop",
        "weight shop web1",
        "weight shop web1 heavy",
        "weight shop web1 65536",
        "weight shop web1 -1",
        "weight shop web1 5 --reset",
        "weight shop web1 --reset --for 5m",
        "weight --host 192.0.2.11",
        "add shop",
        "add shop 192.0.2.9:80 --set nothing",
        "add shop 192.0.2.9:80 --weight heavy",
        "add shop 192.0.2.9:80 --weight 1 --set weight=2",
        "remove shop",
        "remove shop web1 --deadline 5m",
        "reload now",
        "reload --deadline 5m",
        "validate extra",
    ],
)
def test_wrong_use_asks_nothing_and_is_status_2(
    words: str, director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    given = words.split() if words.startswith("validate") else [*words.split(), "--url", director.url]
    assert main(given) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err
    assert director.asked == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("weight shop web1", "say which weight, 0 to 65535, or --reset"),
        ("weight --host 192.0.2.11", "say which weight, 0 to 65535, or --reset"),
        ("weight shop web1 5 --reset", "give it or a weight, not both"),
        ("weight --host 192.0.2.11 5 --reset", "give it or a weight, not both"),
        ("weight shop", "say which real server: VS RS, or --host ADDRESS"),
        ("weight shop web1 5 6", "say which real server: VS RS, or --host ADDRESS"),
        ("weight --host 192.0.2.11 shop web1 5", "--host stands in the place of VS and RS"),
    ],
)
def test_a_weight_that_is_missing_or_too_many_is_told_as_that(
    words: str, told: str, director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--url", director.url]) == 2
    assert told in capsys.readouterr().err
    assert director.asked == []


@pytest.mark.parametrize("verb", ["drain shop web1", "status", "events", "overrides"])
def test_where_a_named_file_is_faulty_the_way_without_it_is_told(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "healthlb.yaml").write_text("virtual_serves: {}\n")
    assert main([*verb.split(), "-c", str(tmp_path / "healthlb.yaml")]) == 2
    assert "--url reaches the director without the file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "error", "expected", "told"),
    [
        (404, "There is no virtual server shop; did you mean shop2?", 2, "did you mean shop2?"),
        (409, "10.0.0.1 is ambiguous in shop.", 1, "ambiguous"),
        (422, "why: at most 500 characters.", 2, "at most 500"),
        (401, "This needs the admin token: Authorization: Bearer TOKEN.", 1, "--token-file FILE names the file"),
        (429, "Too many failures.", 1, "Too many failures."),
        (503, "The director did not answer in time.", 1, "not answer in time"),
    ],
)
def test_what_the_director_refuses_is_told_in_its_words(
    status: int, error: str, expected: int, told: str, *, director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    director.answering = lambda _: (status, {"error": error})
    for verb in ("drain shop web1", "drain shop web1 --wait", "weight shop web1 5", "remove shop web1 --wait"):
        assert main([*verb.split(), "--url", director.url]) == expected
        printed = capsys.readouterr()
        assert printed.out == ""
        assert told in printed.err


def test_a_warning_of_the_director_is_told_beside_what_was_done(
    director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    director.answering = lambda _: (200, DONE | {"warnings": ["shop has no live server left."]})
    assert main(["drain", "shop", "web1", "--url", director.url]) == 0
    printed = capsys.readouterr()
    assert printed.out == "web1 in shop is drained.\n"
    assert printed.err == "healthlb: warning: shop has no live server left.\n"


@pytest.mark.parametrize("verb", ["drain", "disable", "weight", "drain --wait"])
def test_a_host_that_appears_nowhere_is_the_answer_no(
    verb: str, director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "192.0.2.11 appears in no virtual server; the drain is kept for when it does."
    director.answering = lambda _: (200, {"result": "done", "message": message, "servers": [], "warnings": []})
    more = ["5"] if verb == "weight" else []
    assert main([*verb.split(), *more, "--host", "192.0.2.11", "--url", director.url]) == 1
    assert capsys.readouterr().out == f"{message}\n"
    assert len(director.asked) == 1


def test_taking_back_what_covers_no_server_any_more_is_done(director: StandIn) -> None:
    director.answering = lambda _: (200, DONE | {"servers": []})
    assert main(["undrain", "--host", "192.0.2.11", "--url", director.url]) == 0


def test_json_is_the_directors_own_answer(director: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drain", "shop", "web1", "--json", "--url", director.url]) == 0
    assert json.loads(capsys.readouterr().out) == DONE
    director.answering = lambda _: (409, {"error": "It cannot be."})
    assert main(["drain", "shop", "web1", "--json", "--url", director.url]) == 1
    assert json.loads(capsys.readouterr().out) == {"error": "It cannot be."}


def test_a_reload_tells_its_outcome(director: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["add 192.0.2.9:80 to tcp 192.0.2.1:80"]
    director.answering = lambda _: (200, {"accepted": True, "message": "In force.", "changes": changes})
    assert main(["reload", "--wait", "--url", director.url]) == 0
    assert capsys.readouterr().out == f"In force.\n  {changes[0]}\n"


def test_a_reload_that_is_refused_is_the_answer_no(director: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    director.answering = lambda _: (422, {"accepted": False, "message": "no", "error": "f.yaml:3:1: unknown key"})
    assert main(["reload", "--wait", "--url", director.url]) == 1
    assert "f.yaml:3:1: unknown key" in capsys.readouterr().err


def written(path: Path, api: str) -> str:
    path.write_text(
        f"api: {{listen: '127.0.0.1:{free_port()}', {api}}}\n"
        "virtual_servers:\n  shop: {address: 127.0.0.9:80, scheduler: rr, method: nat, real_servers: ['127.0.0.1:9']}\n"
    )
    return str(path)


def test_changes_go_to_the_files_admin_socket(director: StandIn, tmp_path: Path) -> None:
    file = written(tmp_path / "healthlb.yaml", f"admin: '{director.url}'")
    assert main(["drain", "shop", "web1", "-c", file]) == 0
    assert len(director.asked) == 1


def test_the_files_token_is_used_where_it_can_be_read_and_another_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-the-file\n")
    (tmp_path / "other").write_text("named\n")
    with standing_in(lambda _: (200, DONE)) as server:
        address = server.url.removeprefix("http://")
        file = written(tmp_path / "healthlb.yaml", f"admin: '{address}', token_file: '{tmp_path}/token'")
        assert main(["drain", "shop", "web1", "-c", file]) == 0
        assert main(["drain", "shop", "web1", "-c", file, "--token-file", f"{tmp_path}/other"]) == 0
        assert main(["drain", "shop", "web1", "--url", server.url, "--token-file", f"{tmp_path}/other"]) == 0
        assert main(["drain", "shop", "web1", "--url", server.url]) == 0
        sent = [asked.headers.get("authorization") for asked in server.asked]
        assert sent == ["Bearer from-the-file", "Bearer named", "Bearer named", None]
        (tmp_path / "token").unlink()
        assert main(["drain", "shop", "web1", "-c", file]) == 0
        assert "authorization" not in server.asked[-1].headers


@pytest.mark.parametrize(("user", "body"), [("alice", {"by": "alice"}), ("", {}), ("x" * 65, {}), ("a\nb", {})])
def test_the_person_behind_sudo_is_named(
    user: str, body: dict[str, str], director: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", user)
    assert main(["undrain", "shop", "web1", "--url", director.url]) == 0
    assert main(["reload", "--url", director.url]) == 0
    assert [asked.body for asked in director.asked] == [body, {"wait": False} | body]


def test_the_person_behind_a_token_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "bob")
    with standing_in(lambda _: (200, DONE)) as server:
        assert main(["undrain", "shop", "web1", "--url", server.url]) == 0
        assert server.asked[0].body == {"by": "bob"}


@pytest.mark.parametrize("content", [None, b"", b" \n", b"two words", b"two\nlines", b"\xff\xfe", b"x" * 5000])
def test_a_token_file_without_a_token_is_wrong_use_and_never_shown(
    content: bytes | None, director: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    words = ["drain", "shop", "web1", "--url", director.url, "--token-file", f"{tmp_path}/token"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert f"{tmp_path}/token" in told
    assert "two" not in told.replace(str(tmp_path), "")
    assert director.asked == []


def test_a_file_without_an_admin_listener_takes_no_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drain", "shop", "web1", "-c", written(tmp_path / "healthlb.yaml", "admin: none")]) == 2
    assert "takes no commands" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "virtual_servers: nonsense\n"])
def test_a_default_file_that_is_absent_or_faulty_keeps_nobody_from_draining(
    text: str | None,
    director: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "healthlb.yaml"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(reaching, "DEFAULT_FILE", str(file))
    monkeypatch.setattr(reaching, "DEFAULT_ADMIN", director.url)
    assert main(["drain", "shop", "web1"]) == 0
    assert ("cannot be used" in capsys.readouterr().err) == (text is not None)
    assert main(["drain", "shop", "web1", "-c", str(file)]) == 2


def test_a_director_that_does_not_answer_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("drain shop web1", "reload", "overrides"):
        assert main([*verb.split(), "--url", f"unix:{tmp_path}/none.sock"]) == 1
        assert "no such socket" in capsys.readouterr().err
        assert main([*verb.split(), "--url", "nonsense"]) == 2
        assert "http://HOST:PORT" in capsys.readouterr().err


OVERRIDE = {
    "what": "drain",
    "scope": "192.0.2.11",
    "virtual_server": None,
    "address": "192.0.2.11",
    "port": None,
    "admin": "drain",
    "weight": None,
    "remove": True,
    "deadline": "2026-11-22T11:00:00.000Z",
    "who": "uid 0 (root) pid 812",
    "why": "new \x1b[31mdisks",
    "at": "2026-11-22T10:00:00.000Z",
    "expires_at": "2026-11-22T12:00:00.000Z",
}
ADDED = {"virtual_server": "shop", "address": "192.0.2.9:80", "who": "token from ::1", "why": "", "at": OVERRIDE["at"]}


def test_overrides_tell_who_changed_what_when_why_and_until_when(
    director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    weight = OVERRIDE | {"what": "weight 5", "scope": "192.0.2.12:80 in shop", "virtual_server": "shop"}
    weight |= {"remove": False, "expires_at": None, "why": "slow"}
    orders = {"overrides": [OVERRIDE, weight], "added": [ADDED], "removed": [ADDED]}
    director.answering = lambda _: (200, orders)
    assert main(["overrides", "--url", director.url]) == 0
    drain, heavy, added, removed = capsys.readouterr().out.splitlines()
    by, until = local("2026-11-22T11:00:00Z"), local("2026-11-22T12:00:00Z")
    assert drain.startswith(f"192.0.2.11 everywhere: drain, then remove by {by}, by uid 0 (root)")
    assert drain.endswith(f"ago: new \ufffd[31mdisks; until {until}")
    assert heavy.startswith("192.0.2.12:80 in shop: weight 5, by uid 0 (root) pid 812, ")
    assert heavy.endswith("ago: slow")
    assert added.startswith("192.0.2.9:80 in shop: added, by token from ::1, ")
    assert removed.startswith("192.0.2.9:80 in shop: removed, by token from ::1, ")
    assert main(["overrides", "--json", "--url", director.url]) == 0
    assert json.loads(capsys.readouterr().out) == orders


def test_no_overrides_are_said_to_be_none(director: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    director.answering = lambda _: (200, {"overrides": [], "added": [], "removed": []})
    assert main(["overrides", "--url", director.url]) == 0
    assert capsys.readouterr().out == "nothing was changed at run time\n"


@pytest.mark.parametrize("value", [{}, {"overrides": [{}], "added": [], "removed": []}, {"overrides": 3}])
def test_overrides_that_are_none_are_one_sentence(
    value: dict[str, Any], director: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    director.answering = lambda _: (200, value)
    assert main(["overrides", "--url", director.url]) == 1
    assert "no healthlb director that this version understands" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("drian shop web1", "healthlb: there is no verb 'drian'; did you mean drain?"),
        ("enabel shop web1", "did you mean enable?"),
        ("lift shop web1", "healthlb: there is no verb 'lift'; see `healthlb --help`"),
        ("\x1b[31m" + "x" * 90, "…'; see `healthlb --help`"),
    ],
)
def test_a_mistyped_verb_is_status_2_and_a_near_one_is_named(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert "\x1b" not in printed.err
