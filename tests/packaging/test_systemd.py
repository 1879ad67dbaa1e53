"""What the unit and the files beside it promise."""

import re
from pathlib import Path

import pytest

from healthlb.speaker.rights import REAL_TIME_PRIORITY

PACKAGING = Path(__file__).parents[2] / "packaging"
SYSTEMD = PACKAGING / "systemd"

Unit = dict[str, dict[str, list[str]]]


def read(name: str) -> Unit:
    """Read a unit as systemd.syntax(7) says: sections, keys that may come again, comments on lines of their own."""
    sections: Unit = {}
    section: dict[str, list[str]] = {}
    for line in (SYSTEMD / name).read_text().splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            assert key == key.strip()
            assert not value.endswith("\\")
            section.setdefault(key, []).append(value)
    return sections


@pytest.fixture
def unit() -> Unit:
    return read("healthlb.service")


def one(unit: Unit, key: str, section: str = "Service") -> str:
    (value,) = unit[section][key]
    return value


def test_it_has_the_two_capabilities_and_no_other(unit: Unit) -> None:
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert set(one(unit, key).split()) == {"CAP_NET_ADMIN", "CAP_NET_RAW"}
    assert one(unit, "User") not in {"", "root", "0"}
    assert one(unit, "NoNewPrivileges") == "yes"


def test_checks_in_namespaces_take_a_drop_in_that_adds_what_they_need_and_nothing_else(unit: Unit) -> None:
    assert read("namespaces.conf") == {
        "Service": {
            "AmbientCapabilities": ["CAP_SYS_ADMIN"],
            "CapabilityBoundingSet": ["CAP_SYS_ADMIN"],
            "RestrictNamespaces": ["net"],
        }
    }
    assert one(unit, "RestrictNamespaces") == "yes"


def test_its_user_is_one_that_the_package_makes(unit: Unit) -> None:
    users = re.findall(r"(?m)^u (\S+) ", (SYSTEMD / "healthlb.sysusers").read_text())
    assert [one(unit, "User")] == users == [one(unit, "Group")]


def test_it_says_when_it_is_ready_and_is_restarted_when_it_hangs_or_crashes(unit: Unit) -> None:
    assert one(unit, "Type") == "notify"
    assert one(unit, "NotifyAccess") == "main"
    assert re.fullmatch(r"\d+s", one(unit, "WatchdogSec"))
    assert one(unit, "Restart") == "on-failure"
    assert one(unit, "RestartSec") == "2s"
    assert one(unit, "StartLimitIntervalSec", "Unit") == "0"
    assert "RestartPreventExitStatus" not in unit["Service"]


def test_a_restart_leaves_the_table_to_the_director(unit: Unit) -> None:
    commands = [command for key, values in unit["Service"].items() if key.startswith("Exec") for command in values]
    assert "ExecStop" not in unit["Service"]
    assert one(unit, "ExecStopPost") == "/usr/bin/healthlb release"
    assert not any("ipvsadm" in command for command in commands)
    assert one(unit, "KillMode") == "mixed"


def test_the_process_that_speaks_vrrp_may_run_in_real_time_with_its_memory_locked(unit: Unit) -> None:
    assert int(one(unit, "LimitRTPRIO")) >= REAL_TIME_PRIORITY
    assert one(unit, "LimitMEMLOCK") == "infinity"
    assert "RestrictRealtime" not in unit["Service"]


def test_a_reload_checks_the_file_that_it_runs_with_and_then_sends_the_signal(unit: Unit) -> None:
    validate, signal = unit["Service"]["ExecReload"]
    file = "-c /etc/healthlb/healthlb.yaml"
    assert one(unit, "ExecStart") == f"/usr/bin/healthlb run {file}"
    assert validate == f"/usr/bin/healthlb validate {file}"
    assert signal == "/bin/kill -HUP $MAINPID"


def test_its_directories_are_those_of_the_contract(unit: Unit) -> None:
    for key in ("RuntimeDirectory", "StateDirectory", "ConfigurationDirectory"):
        assert one(unit, key) == "healthlb"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("ProtectKernelTunables", "yes"),
        ("ProtectKernelModules", "yes"),
        ("ProtectKernelLogs", "yes"),
        ("ProtectControlGroups", "yes"),
        ("ProtectClock", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("LockPersonality", "yes"),
        ("RestrictNamespaces", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("SystemCallArchitectures", "native"),
        ("RestrictAddressFamilies", "AF_NETLINK AF_INET AF_INET6 AF_UNIX AF_PACKET"),
    ],
)
def test_it_is_hardened(unit: Unit, key: str, value: str) -> None:
    assert one(unit, key) == value


def test_its_system_calls_are_those_of_a_service_without_the_privileged_ones(unit: Unit) -> None:
    allowed, denied = unit["Service"]["SystemCallFilter"]
    assert allowed == "@system-service"
    assert denied.startswith("~")
    assert "@privileged" in denied


def test_what_it_reads_of_the_kernel_stays_visible(unit: Unit) -> None:
    assert "ProcSubset" not in unit["Service"]
    assert "PrivateNetwork" not in unit["Service"]
    assert "PrivateUsers" not in unit["Service"]


def test_it_has_descriptors_for_thousands_of_probes(unit: Unit) -> None:
    assert int(one(unit, "LimitNOFILE")) >= 32768


def test_the_module_is_loaded_before_the_settings_that_need_it(unit: Unit) -> None:
    assert re.findall(r"(?m)^[a-z]\S*$", (SYSTEMD / "healthlb.modules-load").read_text()) == ["ip_vs"]
    assert "modprobe@ip_vs.service" in one(unit, "Wants", "Unit").split()
    assert {"modprobe@ip_vs.service", "systemd-sysctl.service"} <= set(one(unit, "After", "Unit").split())


def test_each_kernel_setting_says_why_in_a_comment_above_it() -> None:
    blocks = (PACKAGING / "sysctl.d" / "60-healthlb.conf").read_text().strip().split("\n\n")[1:]
    settings = {}
    for block in blocks:
        *comments, setting = block.splitlines()
        assert comments
        assert all(comment.startswith("# ") for comment in comments)
        found = re.fullmatch(r"-?([a-z0-9_.]+) = (\d+)", setting)
        assert found
        settings[found[1]] = found[2]
        assert setting.startswith("-") == (".vs." in setting)
    assert settings == {
        "net.ipv4.ip_forward": "1",
        "net.ipv4.vs.expire_nodest_conn": "1",
        "net.ipv4.vs.expire_quiescent_template": "1",
        "net.ipv4.conf.all.promote_secondaries": "1",
    }


def test_packaging_holds_no_module_that_would_hide_the_library_of_its_name() -> None:
    assert not list(PACKAGING.rglob("__init__.py"))
