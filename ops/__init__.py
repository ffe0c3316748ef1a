"""Composition, command line, command socket, gateway, telemetry, and the proofs that need real processes."""
