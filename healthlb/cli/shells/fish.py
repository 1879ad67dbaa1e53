"""Completion for fish (complete(1) of fish)."""

from collections.abc import Iterator, Sequence

from healthlb.cli.grammar import FILE, Option, Verb
from healthlb.cli.shells import GLOBAL


def script(verbs: Sequence[Verb]) -> str:
    """Return the whole script."""
    lines = [f"complete -c healthlb -n __healthlb_no_verb {_option_words(name, what)}" for name, what in GLOBAL]
    for verb in verbs:
        purpose = _quoted(verb.purpose)
        named = (f"complete -c healthlb -n __healthlb_no_verb -a {name} -d {purpose}" for name in verb.spellings)
        lines += ["", *named, *_verb(verb)]
    return _HEAD + "\n".join(lines) + "\n"


def _option_words(spelling: str, what: str) -> str:
    return f"-l {spelling.removeprefix('--')} -d {_quoted(what)}"


def _verb(verb: Verb) -> Iterator[str]:
    """Yield a line for each option of a verb, and one for its other words."""
    start = f"complete -c healthlb -n '__healthlb_verb {' '.join(verb.spellings)}'"
    for option in verb.options:
        names = " ".join(f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}" for each in option.spellings)
        yield f"{start} {names}{_takes(option)} -d {_quoted(option.help)}"
    if any(word.choices for word in verb.words):
        yield f"{start} -a '{' '.join(verb.words[0].choices)}'"
    elif any(word.what for word in verb.words):
        yield f"{start} -a '(__healthlb_names)'"


def _takes(option: Option) -> str:
    """Return what an option's value is: fish offers files only where it is told to."""
    if not option.needs_value:
        return ""
    if option.what == FILE:
        return " -r -F"
    if option.choices:
        return f" -x -a '{' '.join(option.choices)}'"
    return f" -x -a '(__healthlb_names {option.spellings[-1]})'" if option.what else " -x"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_HEAD = r"""# fish completion for healthlb, made by `healthlb completion fish`

# The words before the cursor, but the program's own.
function __healthlb_words
    set -l words (commandline -opc)
    set -e words[1]
    string join \n -- $words
end

function __healthlb_no_verb
    not __healthlb_words | string match -qv -- '-*'
end

function __healthlb_verb
    contains -- (__healthlb_words | string match -v -- '-*')[1] $argv
end

# Asks the running director for the names that fit here. $argv: the option whose value they are, where they are one's.
function __healthlb_names
    set -l words (__healthlb_words)
    if set -q argv[1]; and test "$words[-1]" != "$argv[1]"
        set -a words $argv[1]
    end
    # The word at the cursor up to there, without its quoting and without the option that it is the value of.
    set -l current (commandline -ct | string replace -r -- '^--[a-z-]+=' '' | string replace -ra -- '["\'\\\\]' '')
    healthlb __complete $words "$current" 2>/dev/null
end

complete -c healthlb -f
"""
