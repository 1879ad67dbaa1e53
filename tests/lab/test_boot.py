"""Running one command in a guest, as a developer does by hand."""

import subprocess
import sys
from pathlib import Path

import pytest

from boot import Guest, GuestError

BOOT = Path(__file__).parent / "boot.py"


def by_hand(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, BOOT, *arguments], capture_output=True, text=True, timeout=300, check=False)


def test_a_commands_output_errors_and_exit_status_come_back() -> None:
    done = by_hand("--", "sh", "-c", "ipvsadm -A -t 11.197.140.20:18089 -s mh; ipvsadm -Sn; echo sick >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "-A -t 11.197.140.20:18089 -s mh\n", "sick\n")


def test_a_guest_cannot_write_on_the_hosts_files(tmp_path: Path) -> None:
    done = by_hand("--mode", "uml", "--", "touch", str(tmp_path / "mark"))
    assert done.returncode == 1
    assert not (tmp_path / "mark").exists()


def test_a_kernel_that_cannot_boot_says_so_in_its_own_words() -> None:
    done = by_hand("--mode", "uml", "--memory", "32K", "--", "true")
    assert done.returncode == 2
    assert done.stderr.startswith("lab: The guest died.")
    assert "Too few physical memory!" in done.stderr


def test_a_command_that_outlasts_its_deadline_is_ended_with_its_guest() -> None:
    with Guest(["sleep", "60"]) as guest:
        with pytest.raises(GuestError, match=r"the command did not end within 0\.1 s"):
            guest.wait(0.1)
        shared = guest.shared
    assert not shared.exists()
