"""What each command of the socket does, by the room it belongs to; `ops.socket.commands` has the table."""
