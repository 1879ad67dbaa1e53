"""Floor 2: tells people and programs of events: webhook, command, named pipe, mail."""
