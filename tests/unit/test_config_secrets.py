"""Secrets come from the environment or from files that only we can read."""

import os
from pathlib import Path

import pytest

from config.schema import Secret
from config.secrets import SecretProblem, check_reference, resolve_secret


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


@pytest.mark.parametrize(
    ("content", "secret"), [(b"s", "s"), (b"s\n", "s"), (b"s\r\n", "s"), (b"s\n\n", "s\n"), (b" s ", " s ")]
)
def test_one_newline_at_the_end_of_a_file_is_not_part_of_the_secret(
    tmp_path: Path, content: bytes, secret: str
) -> None:
    write(tmp_path / "key", content)
    assert resolve_secret("file:key", folder=tmp_path, environ={}) == Secret(secret)


def test_a_file_that_the_group_may_read_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "key", b"s", 0o440)
    assert resolve_secret(f"file:{tmp_path / 'key'}", folder=Path("/"), environ={}).reveal() == "s"


@pytest.mark.parametrize("mode", [0o644, 0o602])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "key", b"s", mode)
    with pytest.raises(
        SecretProblem, match=rf"key is open to every user of this machine \(mode {mode:04o}\): chmod 600"
    ):
        resolve_secret("file:key", folder=tmp_path, environ={})


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff", "not UTF-8"), (b"s" * 70_000, "no secret")],
)
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    write(tmp_path / "key", content)
    with pytest.raises(SecretProblem, match=problem):
        resolve_secret("file:key", folder=tmp_path, environ={})


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("gone", "No such file"),
        ("pipe", "not a regular file"),
        (".", "not a regular"),
        ("\0", "null"),
    ):
        with pytest.raises(SecretProblem, match=problem):
            resolve_secret(f"file:{name}", folder=tmp_path, environ={})


def test_the_environment_must_have_a_value() -> None:
    assert resolve_secret("env:A", folder=Path(), environ={"A": "s\n"}).reveal() == "s\n"
    with pytest.raises(SecretProblem, match="the environment variable B is not set"):
        resolve_secret("env:B", folder=Path(), environ={})
    with pytest.raises(SecretProblem, match="the environment variable B is empty"):
        resolve_secret("env:B", folder=Path(), environ={"B": ""})


@pytest.mark.parametrize("reference", ["", "ck_1", "env:", "file:", "ENV:A", "env:ck-1", "https://x", "env: A"])
def test_what_may_be_the_secret_itself_is_refused_unseen(reference: str) -> None:
    with pytest.raises(SecretProblem) as caught:
        check_reference(reference)
    assert "ck" not in str(caught.value)
