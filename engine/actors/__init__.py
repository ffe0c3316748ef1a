"""Trio tasks, each the only owner of one machine or of a set of books, and of one inbox."""
