"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return it, or `unknown` in a tree that was never installed."""
    try:
        return version("lastunit")
    except PackageNotFoundError:
        return "unknown"
