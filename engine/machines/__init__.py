"""Control without input or output: an event and the time go in, effects come out."""
