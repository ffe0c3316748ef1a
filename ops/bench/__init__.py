"""Durable holds per second beside Redis and PostgreSQL, in interleaved rounds."""
