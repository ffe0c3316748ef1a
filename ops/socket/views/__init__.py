"""What the socket says, by room: plain maps, made from the engine's structs."""
