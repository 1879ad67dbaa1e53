"""Floor 2: what outlives a restart. Operators' orders and health in files, the event journal, the lock on them."""
