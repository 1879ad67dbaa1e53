"""The API, the page and the terminal call the same servers a problem, the same a warning, and the same neither."""

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from healthlb.api import document
from healthlb.api.page import overview
from healthlb.api.picking import Selection, concern_of
from healthlb.api.reading import real_servers
from healthlb.cli.status_choice import wrong_only
from healthlb.cli.status_verdict import is_wrong
from healthlb.core.concern import of_pool, of_server
from healthlb.model.snapshot import Snapshot
from tests.api.test_documents import rendered, snapshots

FEW = settings(max_examples=50)


def page_of(snapshot: Snapshot) -> overview.State:
    """Return the page's state."""
    looking = overview.look(snapshot, None, sums=True)
    while True:
        try:
            next(looking)
        except StopIteration as done:
            state: overview.State = done.value
            return state


def names(pools: list[dict[str, Any]]) -> list[Any]:
    """Return the virtual servers and servers that a document tells of."""
    keys = ("real_servers", "sorry_servers")
    return [(pool["name"], [[each["name"] for each in pool[key]] for key in keys]) for pool in pools]


@FEW
@given(snapshots)
def test_api_page_and_terminal_agree_on_what_somebody_has_to_look_at(snapshot: Snapshot) -> None:
    whole = json.loads(rendered(document.status(snapshot)))
    asked = json.loads(rendered(document.status(snapshot, Selection(problems=True))))
    assert names(asked["virtual_servers"]) == names(wrong_only(whole)["virtual_servers"])
    listed = json.loads(rendered(real_servers(snapshot, lambda *_: True, None, Selection(problems=True))))
    found = sum(len(pool["real_servers"]) for pool in asked["virtual_servers"])
    assert len(listed["real_servers"]) == found


@FEW
@given(snapshots)
def test_the_pages_rows_are_marked_as_the_terminal_takes_them(snapshot: Snapshot) -> None:
    state = page_of(snapshot)
    whole = json.loads(rendered(document.status(snapshot)))
    for one, told in zip(snapshot.virtual_servers, whole["virtual_servers"], strict=True):
        view = state.pools[one.name]
        servers = [*one.real_servers, *one.sorry_servers]
        wrong = [*map(is_wrong, (*told["real_servers"], *told["sorry_servers"]))]
        for place, (row, server) in enumerate(zip(view.rows, servers, strict=True)):
            concern = concern_of(server)
            assert overview.is_problem(row) == (place in view.problems) == (concern == "problem")
            assert overview.is_warning(row) == (place in view.warnings) == (concern == "warning")
            assert wrong[place] == bool(concern)


SIGNS = ("pooled_but_down", "held", "as_wanted", "unsent", "uneasy")
WELL = dict.fromkeys(SIGNS, False) | {"as_wanted": True}


def test_a_server_that_is_up_and_as_it_is_wanted_is_nobodys_concern() -> None:
    assert of_server("up", "enabled", **WELL) == ""


@given(
    st.sampled_from(["up", "down", "unknown"]),
    st.sampled_from(["draining", "drained", "disabled"]),
    st.booleans(),
    st.booleans(),
)
def test_a_server_that_is_meant_to_be_out_may_fail_as_it_likes(
    health: str, admin: str, unsent: bool, uneasy: bool
) -> None:
    assert of_server(health, admin, **WELL | {"unsent": unsent, "uneasy": uneasy}) == ""
    for sign in ({"as_wanted": False}, {"pooled_but_down": True}, {"held": True}):
        assert of_server(health, admin, **WELL | sign) == "problem"


def test_no_further_sign_makes_a_problem_less_than_one() -> None:
    rank = {"": 0, "warning": 1, "problem": 2}
    for values in itertools.product([False, True], repeat=len(SIGNS)):
        signs = dict(zip(SIGNS, values, strict=True))
        worst = rank[of_server("down", "enabled", **signs)]
        assert rank[of_server("up", "enabled", **signs)] <= worst == 2


def test_a_pool_is_a_problem_that_is_not_all_there() -> None:
    assert of_pool("up", quorum_met=True, sorry_server_active=False) == ""
    for state in ("degraded", "panic", "down"):
        assert of_pool(state, quorum_met=True, sorry_server_active=False) == "problem"
    assert of_pool("up", quorum_met=False, sorry_server_active=False) == "problem"
    assert of_pool("up", quorum_met=True, sorry_server_active=True) == "problem"
