"""The table in memory keeps the contract of every table."""

import pytest

from healthlb.linux.memory import MemoryTable
from healthlb.linux.table import Table
from healthlb.model.table import Service
from tests.table_contract import KEY, TableContract


class TestMemoryTable(TableContract):
    @pytest.fixture
    def table(self) -> Table:  # type: ignore[override]
        return MemoryTable()

    def test_it_can_stand_in_for_a_kernel_with_fewer_schedulers(self) -> None:
        table = MemoryTable(schedulers={"rr"})
        assert table.unsupported(Service(KEY, "rr")) is None
        assert table.unsupported(Service(KEY, "wlc")) == "the kernel has no scheduler 'wlc' (module ip_vs_wlc)"
