"""`lastunit demo`: the main job on real processes and real wire formats, checked to the last unit."""

from ops.demo.run import run_demo

__all__ = ["run_demo"]
