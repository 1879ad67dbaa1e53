"""The manual pages: made from what `--help` says and from the declarations that the configuration is read by."""
