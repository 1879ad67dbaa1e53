"""Floor 0: the words. Frozen, slotted values that every other room speaks in; no behaviour beyond their own shape."""
