"""Driving a peer with `redis-benchmark`, the same client for all that speak RESP, and measuring the machine."""

import csv
import io
import os
import subprocess
import time
from pathlib import Path

import msgspec

_TIMEOUT_SECONDS = 180


class Load(msgspec.Struct, frozen=True):
    """How many connections, and how many commands each has outstanding."""

    name: str
    connections: int
    pipeline: int
    commands: int


class Measured(msgspec.Struct, frozen=True):
    """One run, its answers already counted."""

    per_second: float
    p50_ms: float
    p99_ms: float | None
    """None: the client does not say."""
    cpu_us: float | None = None
    """CPU time of the server per command; None: not one process."""


def run_redis_benchmark(socket: Path, load: Load, range_: int, words: list[str]) -> Measured:
    """Send `load.commands` commands in which every `__rand_int__` is drawn anew from `range_` (at most 31 bits)."""
    command = ["redis-benchmark", "-s", str(socket), "-c", str(load.connections), "-P", str(load.pipeline)]
    command += ["-n", str(load.commands), "-r", str(range_), "--csv", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    if done.returncode != 0 or not done.stdout.startswith('"test"'):
        raise RuntimeError(f"redis-benchmark failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    row = next(iter(csv.DictReader(io.StringIO(done.stdout))))
    return Measured(float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]))


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def syncs_per_second(folder: Path, seconds: float = 0.3) -> float:
    """How often this disk makes 4 KiB durable: what one connection with one command outstanding cannot beat."""
    path = folder / "sync.probe"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        started, count = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - started) < seconds:
            os.pwrite(descriptor, b"x" * 4096, 4096 * (count % 1024))
            os.fdatasync(descriptor)
            count += 1
        return count / elapsed
    finally:
        os.close(descriptor)
        path.unlink()
