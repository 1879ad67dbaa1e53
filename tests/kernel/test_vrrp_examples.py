"""The keepalived.conf that goes with docs/pairing.md, as keepalived itself reads it on a director's machine."""

from pathlib import Path

from pair import PairNetwork

CONFIGS = Path(__file__).parents[2] / "configs"


def test_keepalived_takes_the_file_of_the_example_without_a_complaint(network: PairNetwork) -> None:
    file = CONFIGS / "pair-keepalived.conf"
    said = network.directors[0].attempt("keepalived", "--config-test", f"--use-file={file}")
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
