"""Floor 2: HTTP. Renders snapshots; never reaches into the director's state."""
