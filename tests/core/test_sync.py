"""Which connection sync daemons run: what is wanted, and what is done about what is there."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from healthlb.core.sync import StartSync, StopSync, SyncOperation, operations, restarts, wanted
from healthlb.model.vrrp import ConnectionSync, SyncDaemon, SyncRole

SETTINGS = ConnectionSync("eth1", 51)
MASTER, BACKUP = wanted(SETTINGS, master=False)

daemons = st.builds(
    SyncDaemon,
    st.sampled_from(["master", "backup"]),
    st.sampled_from(["eth0", "eth1"]),
    st.integers(0, 2),
    maximum_length=st.sampled_from([0, 1400]),
)


def by_role(given: list[SyncDaemon]) -> dict[SyncRole, SyncDaemon]:
    return {daemon.role: daemon for daemon in given}


def after(running: dict[SyncRole, SyncDaemon], done: list[SyncOperation]) -> dict[SyncRole, SyncDaemon]:
    """Return what runs once operations were carried out, as the kernel does it."""
    now = dict(running)
    for operation in done:
        if isinstance(operation, StopSync):
            assert now.pop(operation.role)
        else:
            assert operation.daemon.role not in now
            now[operation.daemon.role] = replace(
                operation.daemon, maximum_length=operation.daemon.maximum_length or 1472
            )
    return now


def test_nothing_is_wanted_without_settings() -> None:
    assert wanted(None, master=True) == ()


def test_both_roles_run_at_once_whatever_the_state() -> None:
    assert wanted(SETTINGS, master=True) == wanted(SETTINGS, master=False) == (MASTER, BACKUP)
    assert (MASTER.role, BACKUP.role) == ("master", "backup")


def test_a_role_by_state_is_that_of_the_instance() -> None:
    settings = replace(SETTINGS, instance="VI_1", by_role=True)
    assert [daemon.role for daemon in wanted(settings, master=True)] == ["master"]
    assert [daemon.role for daemon in wanted(settings, master=False)] == ["backup"]


def test_a_daemon_of_somebody_else_stays_where_its_role_is_not_wanted() -> None:
    assert operations([MASTER], [], {}) == []
    assert operations([MASTER], [], {"master": MASTER}) == [StopSync("master")]


def test_a_daemon_with_other_settings_gives_way() -> None:
    other = replace(MASTER, id=9)
    assert operations([other, BACKUP], [MASTER, BACKUP], {}) == [StopSync("master"), StartSync(MASTER)]


def test_a_length_that_the_kernel_fitted_to_the_interface_is_what_we_asked_for() -> None:
    asked = replace(BACKUP, maximum_length=1000)
    running = replace(BACKUP, maximum_length=1024)
    assert operations([running], [asked], {"backup": asked}) == []
    assert operations([running], [asked], {"backup": BACKUP}) == [StopSync("backup"), StartSync(asked)]
    assert operations([running], [BACKUP], {}) == []


@given(running=st.lists(daemons), want=st.lists(daemons), ours=st.booleans())
def test_what_is_done_leads_to_what_is_wanted_and_then_to_nothing_more(
    running: list[SyncDaemon], want: list[SyncDaemon], *, ours: bool
) -> None:
    now, aim = by_role(running), by_role(want)
    asked = dict(now) if ours else {}
    done = operations(list(now.values()), list(aim.values()), asked)
    then = after(now, done)
    foreign = {} if ours else {role: daemon for role, daemon in now.items() if role not in aim}
    lengths = {role: daemon.maximum_length for role, daemon in aim.items()}
    assert {role: replace(daemon, maximum_length=lengths.get(role, 0)) for role, daemon in then.items()} == {
        **aim,
        **{role: replace(daemon, maximum_length=0) for role, daemon in foreign.items()},
    }
    assert operations(list(then.values()), list(aim.values()), aim) == []


def test_daemons_that_run_as_wanted_can_be_started_anew_and_nobody_elses_with_them() -> None:
    assert restarts([MASTER, BACKUP], [BACKUP], {}) == [StopSync("backup"), StartSync(BACKUP)]
    both = [StopSync("backup"), StopSync("master"), StartSync(BACKUP)]
    assert restarts([MASTER, BACKUP], [BACKUP], {"master": MASTER}) == both
