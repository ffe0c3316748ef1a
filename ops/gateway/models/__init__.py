"""What goes in and out over REST. Answers mirror `docs/socket.md`; quantities are base units, instants aware UTC."""
