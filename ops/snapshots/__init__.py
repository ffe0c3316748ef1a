"""Snapshots of what a node knows: taken and restored, made by a process of their own, looked after by the daemon."""
