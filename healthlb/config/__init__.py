"""Floor 2: the file. Reads YAML into the model, or tells every fault at once with its place.

Nothing is imported here: a command that wants the schema alone must not wait for what adds real servers.
"""
