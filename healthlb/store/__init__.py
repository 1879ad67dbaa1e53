"""Floor 2: what outlives a restart: the state of health, operators' orders, and the event journal."""
