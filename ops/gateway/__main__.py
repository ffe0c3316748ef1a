"""`python -m ops.gateway --config lastunit.toml`: the HTTP front as a process of its own."""

import argparse
import sys
from pathlib import Path

from config.loader import GATEWAY_SECRETS, ConfigProblems, load_settings
from ops.gateway.server import run_gateway


def main() -> int:
    """Run until stopped.

    Returns:
        0 when told to stop; 2 when the configuration cannot be used, so that starting again would not help; 1 when
        the address cannot be had, since the gateway of a killed daemon holds it until it has drained.
    """
    parser = argparse.ArgumentParser(prog="python -m ops.gateway", description="The HTTP front of lastunit.")
    parser.add_argument("--config", type=Path, default=Path("lastunit.toml"), help="default: %(default)s")
    path: Path = parser.parse_args().config
    try:
        settings = load_settings(path, secrets=GATEWAY_SECRETS)
        run_gateway(settings, path.absolute().parent)
    except (ConfigProblems, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201  # before there is a log
        return 2
    except OSError as error:
        print(f"{path}: gateway.listen: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
