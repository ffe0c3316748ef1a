"""The journal as tables that people read: which rows each event makes and changes."""
