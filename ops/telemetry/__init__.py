"""Logs and metrics; `docs/telemetry.md` is their table."""
