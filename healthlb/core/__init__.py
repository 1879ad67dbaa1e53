"""Floor 1: the decisions. No I/O, no clock, no logging; the same input gives the same answer."""
