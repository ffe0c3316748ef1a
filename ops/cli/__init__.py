"""The command line: `lastunit`."""
