"""The command socket: RESP, the Redis wire protocol."""
