"""Pure decisions: commands in, events out. No clock, no randomness, no input or output."""
