"""Every rule of the RFCs has a test with its section in the name, or docs/pairing.md says why it is not kept."""

import re
from pathlib import Path

from tests.core.vrrp.sentences import RFC3768, RFC9568, Sentence

HERE = Path(__file__).parent
TESTS = HERE.parents[1]


def test_every_rule_is_proved_or_said_not_to_be_kept() -> None:
    tests = set(re.findall(r"^def (test_\w+)", "".join(file.read_text() for file in HERE.glob("*.py")), re.MULTILINE))
    documented = " ".join((TESTS.parent / "docs/pairing.md").read_text().split())

    def holds(sentence: Sentence, old: bool) -> bool:
        kind, _, words = sentence.proof.partition(": ")
        if kind == "not ours":
            return True
        if kind == "kept not":
            return words in documented
        path, _, name = sentence.proof.rpartition("::")
        if path:
            return f"\ndef {name}(" in (TESTS / path).read_text()
        numbered = f"_{sentence.section.replace('.', '_')}_" in name
        return numbered and ("3768" in name) == old and name in tests

    assert [each for each in RFC9568 if not holds(each, old=False)] == []
    assert [each for each in RFC3768 if not holds(each, old=True)] == []
