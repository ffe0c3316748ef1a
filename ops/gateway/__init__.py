"""The HTTP front, in its own process: webhooks, REST, health and metrics."""
