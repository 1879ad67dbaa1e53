"""Completion for zsh (zshcompsys(1)): a file for its fpath that may be read with `source`, too."""

from collections.abc import Iterator, Sequence

from healthlb.cli.grammar import FILE, Option, Verb, Word
from healthlb.cli.shells import GLOBAL


def script(verbs: Sequence[Verb]) -> str:
    """Return the whole script."""
    named = "\n".join(f"        {_quoted(f'{name}:{verb.purpose}')}" for verb in verbs for name in verb.spellings)
    before = " ".join(_quoted(f"(- *){name}[{_bracketed(what)}]") for name, what in GLOBAL)
    return _SCRIPT.replace("@verbs@", named).replace("@cases@", "\n".join(_cases(verbs))).replace("@global@", before)


def _cases(verbs: Sequence[Verb]) -> Iterator[str]:
    """Yield what each verb takes."""
    for verb in verbs:
        yield f"        {'|'.join(verb.spellings)})"
        given = [spec for option in verb.options for spec in _option(option)] + list(_words(verb.words))
        yield "            _arguments -S \\"
        yield " \\\n".join(f"                {each}" for each in given)
        yield "            ;;"


def _option(option: Option) -> Iterator[str]:
    """Yield the specification of each spelling; one rules out the others, but where it may be repeated."""
    about = f"[{_bracketed(option.help)}]"
    for spelling in option.spellings:
        apart = "*" if option.repeats else f"({' '.join(option.spellings)})"
        if spelling in ("-h", "--help"):
            apart = "(- *)"
        value = ""
        if option.metavar:
            sign = "=" if spelling.startswith("--") else ""
            sign += "-" if option.optional and sign else ""
            value = f"{':' * (1 + option.optional)}{_escaped(option.metavar)}:{_action(option, option.spellings[-1])}"
            spelling += sign  # noqa: PLW2901
        yield _quoted(f"{apart}{spelling}{about}{value}")


def _words(words: Sequence[Word]) -> Iterator[str]:
    """Yield the specifications of a verb's other words: which names one stands for is told by the words before it."""
    if not words:
        return
    if words[0].choices:
        yield _quoted(f":{_escaped(words[0].metavar.strip('{}'))}:{_action(words[0], '')}")
        return
    yield _quoted(f"*:{_escaped(' '.join(word.metavar for word in words))}:{_action(words[0], '')}")


def _action(one: Option | Word, spelling: str) -> str:
    if one.choices:
        return f"({' '.join(one.choices)})"
    if one.what == FILE:
        return "_files"
    return f" _healthlb_names {spelling}".rstrip() if one.what else " "


def _bracketed(text: str) -> str:
    return _escaped(text).replace("[", "\\[").replace("]", "\\]")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_SCRIPT = r"""#compdef healthlb
# zsh completion for healthlb, made by `healthlb completion zsh`

# Asks the running director for the names that fit here. $1: the option whose value they are, where they are one's.
_healthlb_names() {
    local -a found told line
    line=("${(Q@)words[1,CURRENT-1]}")
    [[ -z $1 || ${line[-1]} == "$1" ]] || line+=("$1")
    local each
    for each in "${(@f)$(healthlb __complete "${line[@]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        [[ -n $each ]] && found+=("${${each%%$'\t'*}//:/\\:}:${each#*$'\t'}")
    done
    _describe -t names name found
}

_healthlb() {
    local curcontext=$curcontext state line
    local -A opt_args
    local -a verbs
    verbs=(
@verbs@
    )
    _arguments -C @global@ '1: :->verb' '*:: :->rest'
    case $state in
        verb) _describe -t verbs verb verbs ;;
        rest)
            case $words[1] in
@cases@
            esac
            ;;
    esac
}

if [[ $funcstack[1] == _healthlb ]]; then
    _healthlb "$@"
else
    compdef _healthlb healthlb
fi
"""
