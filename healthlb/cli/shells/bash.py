"""Completion for bash (bash(1), Programmable Completion), without the package bash-completion.

Readline takes `:` and `=` for the ends of words (COMP_WORDBREAKS), and both are in names and options. So the line is
taken apart here, by the shell's own rules of quoting, and what readline believes to stand before the word is taken off
each answer.
"""

from collections.abc import Iterator, Sequence

from healthlb.cli.grammar import FILE, Verb
from healthlb.cli.shells import GLOBAL


def script(verbs: Sequence[Verb]) -> str:
    """Return the whole script."""
    parts = {
        "@verbs@": " ".join([*(word for verb in verbs for word in verb.spellings), *(name for name, _ in GLOBAL)]),
        "@options@": "\n".join(_options(verbs)),
        "@values@": "\n".join(_values(verbs)),
        "@words@": "\n".join(_words(verbs)),
    }
    text = _SCRIPT
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


def _options(verbs: Sequence[Verb]) -> Iterator[str]:
    """Yield what a verb's options are."""
    for verb in verbs:
        options = " ".join(spelling for option in verb.options for spelling in option.spellings)
        yield f"        {'|'.join(verb.spellings)}) found='{options}' ;;"


def _values(verbs: Sequence[Verb]) -> Iterator[str]:
    """Yield what follows an option: files, one of a few words, a name, or what nobody can tell."""
    for verb in verbs:
        for option in verb.options:
            if option.needs_value:
                places = "|".join(f"'{name} {each}'" for name in verb.spellings for each in option.spellings)
                yield f"        {places}) kind={_kind(option.what, option.choices)} ;;"


def _words(verbs: Sequence[Verb]) -> Iterator[str]:
    """Yield what a verb's other words are."""
    for verb in verbs:
        kinds = {_kind(word.what, word.choices) for word in verb.words} - {"nothing"}
        if kinds:
            yield f"        {'|'.join(verb.spellings)}) kind={min(kinds)} ;;"


def _kind(what: str, choices: Sequence[str]) -> str:
    if choices:
        return f"'{' '.join(choices)}'"
    return "files" if what == FILE else "names" if what else "nothing"


_SCRIPT = r"""# bash completion for healthlb, made by `healthlb completion bash`

# Takes the line up to the cursor apart: its words without their quoting, and the quotation mark that is still open.
_healthlb_split() {
    local line=${COMP_LINE:0:COMP_POINT} word='' begun='' character i
    words=() quoted=''
    for ((i = 0; i < ${#line}; i++)); do
        character=${line:i:1}
        if [[ $quoted == "'" && $character != "'" ]]; then
            word+=$character
        elif [[ $character == "$quoted" ]]; then
            quoted=''
        elif [[ $character == \\ ]]; then
            ((i++))
            word+=${line:i:1}
        elif [[ -z $quoted && $character == [\'\"] ]]; then
            quoted=$character
        elif [[ -z $quoted && $character == [[:space:]] ]]; then
            [[ -n $begun ]] && words+=("$word")
            word='' begun=''
            continue
        else
            word+=$character
        fi
        begun=yes
    done
    words+=("$word")
}

# What there is for the verb and the option before the cursor.
_healthlb_options() {
    case $1 in
@options@
        *) found='@verbs@' ;;
    esac
}

_healthlb_value() {
    kind=''
    case "$1 $2" in
@values@
    esac
}

_healthlb_word() {
    kind=nothing
    case $1 in
@words@
    esac
}

# Puts one answer into COMPREPLY as readline is to insert it: what it believes to stand before the word is taken off.
_healthlb_add() {
    [[ $1 == "$current"* ]] || return
    local rest=${1#"$before"}
    [[ -n $quoted ]] || printf -v rest '%q' "$rest"
    COMPREPLY+=("$rest")
}

_healthlb() {
    local words quoted current before typed=$2 verb='' option='' kind='' found='' word last
    COMPREPLY=()
    _healthlb_split
    last=$((${#words[@]} - 1))
    current=${words[last]}
    [[ -n $quoted ]] || typed=${typed//\\/}
    for word in "${words[@]:1:last-1}"; do
        if [[ -n $option ]]; then
            option=''
        elif [[ -z $verb ]]; then
            [[ $word == -* ]] || verb=$word
        elif [[ $word == -* && $word != *=* ]]; then
            _healthlb_value "$verb" "$word"
            [[ -z $kind ]] || option=$word
        fi
    done
    before=${current%"$typed"}
    if [[ -z $option && -n $verb && $current == --*=* ]]; then
        option=${current%%=*}
        current=${current#*=}
        before=${before#"$option="}
        [[ $typed == "$option="* ]] && return
    fi
    if [[ -n $option ]]; then
        _healthlb_value "$verb" "$option"
    elif [[ -z $verb || $current == -* ]]; then
        _healthlb_options "$verb"
        kind=$found
    else
        _healthlb_word "$verb"
    fi
    case $kind in
        ''|nothing) ;;
        files) compopt -o default 2>/dev/null ;;
        names)
            while IFS=$'\t' read -r word _; do
                _healthlb_add "$word"
            done < <(healthlb __complete "${words[@]:1}" 2>/dev/null)
            ;;
        *)
            for word in $kind; do
                _healthlb_add "$word"
            done
            ;;
    esac
}

complete -F _healthlb healthlb
"""
