"""One example per body and answer of the REST interface, by the room of its models."""
