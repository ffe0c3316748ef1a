"""The engine: decides, controls and owns stock. It knows ports, never protocols."""
