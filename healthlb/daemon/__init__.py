"""Floor 3: the running director. Probes, reconciles, and wires the rooms below together."""
