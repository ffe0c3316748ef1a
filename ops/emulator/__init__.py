"""A marketplace to test against, in its own process. Shares no code with the adapters."""
