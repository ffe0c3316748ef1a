"""Judges a run from what the world saw and what was answered; imports nothing of the program it judges."""
