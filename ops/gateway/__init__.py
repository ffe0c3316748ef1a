"""The HTTP front: stateless, a process of its own, the only place where asyncio serves."""

from ops.gateway.server import run_gateway

__all__ = ["run_gateway"]
