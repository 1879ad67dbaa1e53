"""The plugin, as someone at a terminal sees it: a small project's tests, run by a pytest of its own in real guests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).parent
CONFTEST = LAB.parent / "conftest.py"


class Project:
    """A tree with tests on both sides of the wall."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tests" / "kernel").mkdir(parents=True)
        (root / "pyproject.toml").write_text(
            f'[tool.pytest.ini_options]\npythonpath = ["{LAB}"]\ntestpaths = ["tests"]\n'
        )
        (root / "tests" / "conftest.py").write_text(CONFTEST.read_text())

    def add(self, name: str, text: str) -> None:
        (self.root / "tests" / name).write_text(text)

    def pytest(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "--import-mode=importlib", "-rA", *arguments],
            cwd=self.root,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run one project that meets every kind of mishap, each in a guest of its own, and return what pytest printed."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.add("test_here.py", "import os\ndef test_here(): assert 'HEALTHLB_IN_GUEST' not in os.environ\n")
    project.add(
        "kernel/test_there.py",
        "import os, pytest\n"
        "def test_there(): assert 'HEALTHLB_IN_GUEST' in os.environ\n"
        "@pytest.mark.parametrize('weight', [1, 2])\n"
        "def test_fails(weight):\n    print('seen in the guest')\n    assert weight == 1\n",
    )
    project.add(
        "kernel/test_dying.py",
        "import os, signal\n"
        "def test_before(): pass\n"
        "def test_kills_its_pytest(): os.kill(os.getpid(), signal.SIGKILL)\n"
        "def test_after(): pass\n",
    )
    # The kernel that this ends is the private one; HEALTHLB_LAB=uml below sees to that.
    project.add(
        "kernel/test_panic.py",
        "import os, pathlib\n"
        "def test_panics():\n"
        "    assert os.environ['HEALTHLB_IN_GUEST'] == 'uml'\n"
        "    pathlib.Path('/proc/sysrq-trigger').write_text('c')\n",
    )
    project.add(
        "kernel/test_import.py",
        "import os\nif 'HEALTHLB_IN_GUEST' in os.environ: import no_such_library\ndef test_never_runs(): pass\n",
    )
    done = project.pytest(HEALTHLB_LAB="uml", HEALTHLB_LAB_GUESTS="4")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    return done.stdout


def test_every_test_of_both_sides_is_counted_once(outcome: str) -> None:
    assert "1 failed, 4 passed, 4 errors" in outcome


def test_a_failing_guest_test_is_reported_with_its_traceback_and_its_output(outcome: str) -> None:
    assert "FAILED tests/kernel/test_there.py::test_fails[2] - assert 2 == 1" in outcome
    assert ">       assert weight == 1" in outcome
    assert "seen in the guest" in outcome


def test_a_dying_pytest_is_an_error_for_each_of_its_remaining_tests(outcome: str) -> None:
    assert "ERROR tests/kernel/test_dying.py::test_kills_its_pytest" in outcome
    assert "ERROR tests/kernel/test_dying.py::test_after" in outcome
    assert "The guest's pytest ended with status 137 before this test." in outcome


def test_a_kernel_panic_is_an_error_that_ends_with_the_console(outcome: str) -> None:
    assert "ERROR tests/kernel/test_panic.py::test_panics - The guest died." in outcome
    assert "Kernel panic - not syncing" in outcome


def test_a_guest_file_that_cannot_be_imported_there_is_an_error_that_says_why(outcome: str) -> None:
    assert "ERROR tests/kernel/test_import.py::test_never_runs" in outcome
    assert "No module named 'no_such_library'" in outcome


def test_many_tests_of_the_host_are_shared_with_a_second_process_and_reported_like_any_other(project: Project) -> None:
    (project.root / "tests" / "checks").mkdir()
    pids = "import os, pathlib\npathlib.Path(__file__).with_suffix('.pid').write_text(str(os.getpid()))\n"
    many = "@pytest.mark.parametrize('number', range(500))\ndef test_number(number): assert number != 7\n"
    project.add("checks/test_near.py", pids + "import pytest\n" + many)
    project.add("test_own.py", pids + "def test_own(): pass\n")
    done = project.pytest("-q")
    assert "1 failed, 500 passed" in done.stdout
    assert "FAILED tests/checks/test_near.py::test_number[7] - assert 7 != 7" in done.stdout
    # Both collect every file; the last to import the shared one is the process that runs it.
    near, own = ((project.root / "tests" / name).read_text() for name in ("checks/test_near.pid", "test_own.pid"))
    assert near != own


def test_a_second_process_that_dies_is_an_error_for_each_of_its_remaining_tests(project: Project) -> None:
    (project.root / "tests" / "checks").mkdir()
    many = "@pytest.mark.parametrize('number', range(500))\ndef test_number(number): number != 497 or os._exit(3)\n"
    project.add("checks/test_near.py", "import os, pytest\n" + many)
    project.add("test_own.py", "def test_own(): pass\n")
    done = project.pytest("-q")
    assert "498 passed, 3 errors" in done.stdout
    assert "The second process's pytest ended with status 3 before this test." in done.stdout


def test_node_ids_keywords_and_exitfirst_mean_what_they_always_mean(project: Project) -> None:
    tests = "def test_one(): assert False\ndef test_two(): assert False\n"
    project.add("kernel/test_first.py", tests)
    project.add("kernel/test_second.py", tests)
    done = project.pytest("-x", "-k", "two", "tests/kernel/test_second.py::test_two", "tests/kernel/test_first.py")
    assert "1 failed, 1 deselected" in done.stdout
    assert "FAILED tests/kernel/test_second.py::test_two" in done.stdout


def test_collecting_only_starts_no_guest(project: Project) -> None:
    project.add("kernel/test_listed.py", "def test_listed(): pass\n")
    done = project.pytest("--collect-only", HEALTHLB_LAB="nonsense")
    assert done.returncode == 0
    assert "test_listed" in done.stdout


def test_an_unknown_kind_of_lab_is_a_usage_error_of_one_sentence(project: Project) -> None:
    project.add("kernel/test_listed.py", "def test_listed(): pass\n")
    done = project.pytest(HEALTHLB_LAB="nonsense")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "HEALTHLB_LAB is 'nonsense'; it can be uml, host or auto." in done.stderr
