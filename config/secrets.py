"""Secrets live outside the configuration file: in the environment or in a file of their own."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from config.schema import Secret

RULE: Final = 'a secret is given as "env:NAME" or "file:path", never in this file itself'
_BYTES_MAX: Final = 64 * 1024
"""No key is longer; a mistyped path must not read a disk image."""
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SecretProblem(Exception):
    """A reference that leads to no usable secret; the text never holds the secret."""


def check_reference(reference: str) -> None:
    """Judge the form of `env:NAME` or `file:path` without reading either.

    Raises:
        SecretProblem: it is neither form. Then it may be the secret itself, so it is not repeated.
    """
    kind, _, rest = reference.partition(":")
    if kind not in {"env", "file"} or not rest:
        raise SecretProblem(RULE)
    if kind == "env" and not _ENV_NAME.fullmatch(rest):
        raise SecretProblem("env: must be followed by the name of an environment variable")


def resolve_secret(reference: str, *, folder: Path, environ: Mapping[str, str]) -> Secret:
    """Fetch the secret that `reference` names.

    Args:
        reference: `env:NAME` or `file:path`.
        folder: where a relative path starts: the folder of the configuration file.
        environ: the process' environment.

    Raises:
        SecretProblem: no reference, nothing there, empty, or readable by others.
    """
    check_reference(reference)
    kind, _, rest = reference.partition(":")
    if kind == "file":
        return Secret(_read_file(folder / rest))
    value = environ.get(rest)
    if not value:
        raise SecretProblem(f"the environment variable {rest} is {'not set' if value is None else 'empty'}")
    return Secret(value)


def _read_file(path: Path) -> str:
    """Return what the file holds, without one newline at its end."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SecretProblem(f"{path} is not a regular file")
        if status.st_mode & (stat.S_IROTH | stat.S_IWOTH):
            mode = stat.S_IMODE(status.st_mode)
            raise SecretProblem(f"{path} is open to every user of this machine (mode {mode:04o}): chmod 600 it")
        if status.st_size > _BYTES_MAX:
            raise SecretProblem(f"{path} is larger than {_BYTES_MAX} bytes: that is no secret")
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise SecretProblem(f"{path} is not UTF-8 text") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = error.strerror if isinstance(error, OSError) else None
        raise SecretProblem(f"{path} cannot be read: {reason or error}") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretProblem(f"{path} is empty")
    return text
