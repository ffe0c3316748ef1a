"""The ports made real: other people's protocols, and the stores."""
