"""What a script is run with, and what its end means: no process is needed for that."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import checks.wire.programs
from checks import Feedback, Target, UnusableError, Verdict, Way
from checks.options import Text
from checks.script import NAME, Script
from checks.wire.placeholders import NAMES, filled, misspelled
from checks.wire.programs import PATH, Ended, changeable, identity, located

CONTEXT = (
    ("virtual_server", "shop"),
    ("virtual_address", "192.0.2.80"),
    ("virtual_port", "443"),
    ("protocol", "tcp"),
    ("real_server", "web 1"),
)
TARGET = Target("2001:db8::1", 8080, context=CONTEXT)


def ended(status: int, output: bytes = b"", errors: bytes = b"", exit_codes: str = "nagios") -> Verdict:
    return Script(("true",), exit_codes=exit_codes).ended(Ended(status, 0, output, errors))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0, Verdict(True, "LOAD OK - 0.1")),
        (1, Verdict(True, "LOAD OK - 0.1", warning="LOAD OK - 0.1")),
        (2, Verdict(False, "exit status 2: LOAD OK - 0.1")),
        (3, Verdict(False, "exit status 3 (unknown): LOAD OK - 0.1")),
        (4, Verdict(False, "exit status 4, which is none of 0 to 3: LOAD OK - 0.1")),
        (127, Verdict(False, "exit status 127, which is none of 0 to 3: LOAD OK - 0.1")),
    ],
)
def test_nagios_plugins_say_ok_warning_critical_and_unknown(status: int, verdict: Verdict) -> None:
    assert ended(status, b"LOAD OK - 0.1 | load1=0.1;5;10\nmore\n") == verdict


def test_a_silent_plugin_is_judged_by_its_status_alone() -> None:
    assert ended(0) == Verdict(True, "exit status 0")
    assert ended(1) == Verdict(True, "exit status 1", warning="the script warns (exit status 1)")
    assert ended(2) == Verdict(False, "exit status 2")


@given(st.integers(0, 255))
def test_keepalived_s_dynamic_weight_is_the_status_less_two(status: int) -> None:
    verdict = ended(status, exit_codes="keepalived")
    assert verdict.passed == (status != 1)
    assert verdict.feedback == (Feedback(status - 2) if status >= 2 else None)


def test_a_script_of_which_nothing_is_said_fails_with_one_as_scripts_do_that_crash() -> None:
    assert Script(("true",)).ended(Ended(1)) == Verdict(False, "exit status 1")


@given(st.integers(0, 255))
def test_a_plain_script_passes_with_zero_alone(status: int) -> None:
    assert ended(status, exit_codes="plain") == Verdict(status == 0, f"exit status {status}")


def test_what_went_wrong_is_the_first_line_of_the_output_or_else_of_the_errors() -> None:
    assert ended(1, b"\n \r\nno disk\nmore\n", b"oops\n", "plain").reason == "exit status 1: no disk"
    assert ended(1, b"\n", b"oops\n", "plain").reason == "exit status 1: oops"
    assert ended(0, b"", b"oops\n", "plain").reason == "oops"


def test_a_signal_is_named() -> None:
    script = Script(("true",), exit_codes="keepalived")
    assert script.ended(Ended(0, 11)) == Verdict(False, "killed by signal 11 (segmentation fault)")
    assert script.ended(Ended(0, 9, b"hm\n")).reason == "killed by signal 9 (killed): hm"
    assert script.ended(Ended(0, 64)).reason.startswith("killed by signal 64")


@given(st.integers(0, 255), st.binary(max_size=400), st.binary(max_size=400), st.sampled_from(["nagios", "keepalived"]))
def test_whatever_a_script_writes_there_is_a_short_printable_verdict(
    status: int, output: bytes, errors: bytes, exit_codes: str
) -> None:
    verdict = ended(status, output, errors, exit_codes)
    assert verdict.reason.isprintable()
    assert (verdict.warning + "!").isprintable()
    assert 0 < len(verdict.reason) <= 220


def test_arguments_and_environment_name_the_probes_target() -> None:
    script = Script(("probe", "{address}", "{port}", "-H{real_server}@{virtual_server}", "{print $1} {{port}}"))
    program = script.program(TARGET)
    assert program.argv == ("probe", "2001:db8::1", "8080", "-Hweb 1@shop", "{print $1} {port}")
    assert dict(program.environment) == {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "HEALTHLB_ADDRESS": "2001:db8::1",
        "HEALTHLB_PORT": "8080",
        "HEALTHLB_VIRTUAL_SERVER": "shop",
        "HEALTHLB_VIRTUAL_ADDRESS": "192.0.2.80",
        "HEALTHLB_VIRTUAL_PORT": "443",
        "HEALTHLB_PROTOCOL": "tcp",
        "HEALTHLB_REAL_SERVER": "web 1",
    }


def test_ldirectord_s_four_arguments_can_be_given() -> None:
    script = Script(("probe", "{virtual_address}", "{virtual_port}", "{address}", "{port}"))
    assert script.program(TARGET).argv[1:] == ("192.0.2.80", "443", "2001:db8::1", "8080")


def test_the_namespace_is_the_targets() -> None:
    assert Script(("probe",)).program(Target("192.0.2.2", 80, Way(namespace="blue"))).namespace == "blue"


def test_the_files_own_variables_come_last() -> None:
    script = Script(("probe",), environment=(("PATH", "/opt/bin"), ("COLOUR", "blue")))
    environment = dict(script.program(TARGET).environment)
    assert (environment["PATH"], environment["COLOUR"]) == ("/opt/bin", "blue")


def test_a_word_without_a_meaning_for_this_target_is_no_verdict() -> None:
    with pytest.raises(UnusableError, match=r"^\{virtual_port\} stands for nothing here$"):
        Script(("probe", "{virtual_port}")).program(Target("192.0.2.1", 80))


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (Script(("",)), "command: the program's name is empty"),
        (Script(("bin/probe",)), "command: 'bin/probe' must be an absolute path"),
        (Script(("/opt/{real_server}",)), "command: the program itself is the same for every server"),
        (Script(("/opt/probe -v",)), "command: there is no shell to split it"),
        (Script(("probe", "a\0b")), "command: an argument cannot hold a zero byte"),
        (Script(("probe", "{adress}")), "command: {adress} stands for nothing; there are {address}, {port}"),
        (Script(("probe",), environment=(("1st", ""),)), "environment: '1st' cannot be a variable's name"),
        (Script(("probe",), environment=(("A", "\0"),)), "environment: A: a variable cannot hold a zero byte"),
        (Script(("probe",), environment=(("HEALTHLB_X", ""),)), "environment: HEALTHLB_X: names that begin with"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused_with_the_file(script: Script, fault: str) -> None:
    faults = [f"{option}: {sentence}" for option, sentence in script.faults()]
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_a_command_that_can_be_meant_is_not_refused() -> None:
    script = Script(("/opt/my probe", "{address}", "{print $1}", "{{adress}}", "", '{"a": {}}'))
    assert list(script.faults()) == []


@given(st.text(max_size=40), st.dictionaries(st.sampled_from(NAMES), st.text(max_size=5)))
def test_text_without_braces_stays_as_it_is(text: str, known: dict[str, str]) -> None:
    text = text.replace("{", "(")
    assert filled(text, known) == text
    assert list(misspelled(text)) == []


@given(st.lists(st.sampled_from([*(f"{{{name}}}" for name in NAMES), "{x}", "{{port}}", "{", "}", "a"]), max_size=9))
def test_what_is_not_refused_can_be_filled_and_is_filled_once(words: list[str]) -> None:
    text = " ".join(words)
    known = dict.fromkeys(NAMES, "{address}")
    if list(misspelled(text)):
        assert "{x}" in words
        return
    expected = [{"{{port}}": "{port}"}.get(word, "{address}" if word.strip("{}") in NAMES else word) for word in words]
    assert filled(text, known) == " ".join(expected)


# Whose rights it has


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of root's own; those above it are root's, too."""
    assert os.getuid() == 0
    return tmp_path


NOBODY = 65534


def test_a_file_that_only_root_and_the_user_can_change_is_trusted(folder: Path) -> None:
    script = folder / "probe"
    script.touch(0o755)
    assert changeable(str(script), NOBODY) is None
    os.chown(script, NOBODY, NOBODY)
    assert changeable(str(script), NOBODY) is None
    assert changeable(str(script), 0) == f"{script} belongs to nobody"


@pytest.mark.parametrize(
    ("mode", "group", "fault"),
    [
        (0o757, 0, "is writable by everybody"),
        (0o775, NOBODY, "is writable by its group"),
        (0o775, 0, None),
        (0o1777, 0, None),
    ],
)
def test_a_folder_that_others_can_change_is_not_trusted_unless_it_is_sticky(
    folder: Path, mode: int, group: int, fault: str | None
) -> None:
    shelf = folder / "shelf"
    (shelf / "inner").mkdir(parents=True)
    script = shelf / "inner" / "probe"
    script.touch(0o755)
    os.chown(shelf, 0, group)
    shelf.chmod(mode)
    assert changeable(str(script), NOBODY) == (fault and f"{shelf} {fault}")


def test_a_link_is_trusted_as_far_as_all_that_it_leads_through(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    (folder / "real" / "probe").touch(0o755)
    (folder / "open" / "relative").symlink_to("../real/./probe")
    (folder / "real" / "straight").symlink_to("probe")
    (folder / "real" / "crooked").symlink_to("../open/relative")
    (folder / "alias").symlink_to(folder / "real")
    (folder / "round").symlink_to("round")
    assert changeable(str(folder / "alias" / "straight"), 0) is None
    assert changeable(str(folder / "alias" / ".." / "real" / "probe"), 0) is None
    assert changeable(str(folder / "real" / "crooked"), 0) == f"{folder}/open is writable by everybody"
    assert changeable(str(folder / "round"), 0) == f"{folder}/round leads through more than 40 links"
    os.chown(folder / "alias", NOBODY, NOBODY, follow_symlinks=False)
    assert changeable(str(folder / "alias" / "straight"), 0) == f"{folder}/alias belongs to nobody"


def test_a_director_that_is_root_runs_a_script_as_nobody_or_as_who_is_named() -> None:
    assert identity(None, None).uid == NOBODY
    assert identity("daemon", None).name == "daemon"
    assert identity("daemon", "root").gid == 0
    assert identity("root", None).uid == 0
    with pytest.raises(UnusableError, match=r"^there is no user no-such-user$"):
        identity("no-such-user", None)
    with pytest.raises(UnusableError, match=r"^there is no group no-such-group$"):
        identity(None, "no-such-group")


def test_a_user_of_its_own_is_preferred_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.wire.programs, "OWN_USER", "daemon")
    assert identity(None, None).name == "daemon"


def test_root_must_be_said_by_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    root = checks.wire.programs.pwd.getpwnam("root")
    monkeypatch.setattr(checks.wire.programs.pwd, "getpwnam", lambda _: root)
    with pytest.raises(UnusableError, match=r"^user toor is root by another name; say root if that is meant$"):
        identity("toor", None)


def test_a_director_that_is_not_root_runs_scripts_as_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    monkeypatch.setattr(os, "getegid", lambda: NOBODY)
    who = identity(None, None)
    assert (who.name, who.changes) == ("nobody", False)
    assert identity("nobody", "nogroup") == who
    with pytest.raises(UnusableError, match=r"^user daemon: a director that is not root runs programs as its own"):
        identity("daemon", None)
    with pytest.raises(UnusableError, match=r"^group daemon: a director that is not root"):
        identity(None, "daemon")


def test_prepare_says_what_is_missing(folder: Path) -> None:
    script = folder / "probe"
    assert Script((str(script),)).prepare() == f"{script}: no such file or directory"
    script.touch(0o644)
    assert Script((str(script),)).prepare() == f"{script} is not executable"
    script.chmod(0o757)
    assert Script((str(script),)).prepare() == (
        f"{script} could be changed by others than root and nobody: {script} is writable by everybody"
    )
    script.chmod(0o755)
    assert Script((str(script),)).prepare() is None
    assert Script((str(script),), user="no-such-user").prepare() == "there is no user no-such-user"
    assert Script((str(folder),)).prepare() == f"{folder} is no regular file"
    assert Script(("no-such-program",)).prepare() == f"there is no program no-such-program in {PATH}"
    assert Script(("true",)).prepare() is None


def test_a_name_is_found_where_the_system_has_its_programs() -> None:
    assert Path(located("true")).is_file()
    assert located("/opt/x") == "/opt/x"


@given(st.text(max_size=5))
def test_a_users_name_is_one_that_the_user_database_can_hold(name: str) -> None:
    try:
        Text().parse(name)
        NAME.parse(name)
    except ValueError:
        return
    assert not set(name) & {"\0", ":", "/", " ", "\n"}
