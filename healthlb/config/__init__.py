"""Floor 2: the file. Reads YAML into the model, or tells every fault at once with its place."""
