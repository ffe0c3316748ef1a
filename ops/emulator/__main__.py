"""Run one emulated shop: `python -m ops.emulator --shop shop-a --port 0`."""

import asyncio
import sys

import click
import uvloop

from ops.emulator.server import Settings, run


@click.command()
@click.option("--shop", default="shop", show_default=True, help="Name, for people.")
@click.option("--port", default=0, show_default=True, help="Port on 127.0.0.1; 0 picks a free one.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything that goes wrong.")
@click.option("--key", default="ck_emulator", show_default=True, help="Consumer key.")
@click.option("--secret", default="cs_emulator", show_default=True, help="Consumer secret.")
@click.option("--behind-tls", is_flag=True, help="Treat requests as https: Basic and keys in the query count.")
@click.option("--utc-offset-hours", default=7.0, show_default=True, help="The shop's time zone, for its local dates.")
@click.option("--exit-with-stdin", is_flag=True, help="Stop when stdin ends, that is with the parent.")
def main(**options: object) -> None:
    """Serve a marketplace that speaks WooCommerce's REST v3 on loopback; print one JSON line with its addresses."""
    settings = Settings(**options)  # type: ignore[arg-type]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings, _announce))


def _announce(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
