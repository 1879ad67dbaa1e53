"""The kernel's table keeps the contract of every table, and refuses what the one in memory refuses."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.linux.ipvs import KernelTable
from healthlb.linux.memory import MemoryTable
from healthlb.linux.table import Table
from healthlb.model.operations import Operation
from tests.table_contract import TableContract, any_operation, emptied, relaxed


class TestKernelTable(TableContract):
    @pytest.fixture
    def table(self) -> Iterator[Table]:
        table = KernelTable()
        yield table
        emptied(table)
        table.close()

    @relaxed
    @given(st.lists(any_operation, max_size=40))
    def test_the_table_in_memory_refuses_the_same_and_ends_the_same(
        self, table: Table, operations: list[Operation]
    ) -> None:
        memory = MemoryTable()
        assert emptied(table).apply(operations) == memory.apply(operations)
        assert table.read() == memory.read()
