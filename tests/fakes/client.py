"""The daemon as the command line sees it, without a socket."""

from collections.abc import Mapping, Sequence
from typing import Any

from ops.cli.errors import Refusal


class FakeClient:
    """Answers by the command's words; an exception as the answer is raised."""

    def __init__(self, answers: Mapping[str, object] | None = None) -> None:
        self.answers = dict(answers or {})
        self.said: list[tuple[str | bytes, ...]] = []

    def call(self, *words: str | bytes, seconds_max: float = 0) -> Any:
        self.said.append(words)
        line = " ".join(word.decode() if isinstance(word, bytes) else word for word in words)
        matches = [known for known in self.answers if line == known or line.startswith(f"{known} ")]
        if not matches:
            raise Refusal("ERR", f"unknown command {line}")
        answer = self.answers[max(matches, key=len)]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def pipeline(self, commands: Sequence[Sequence[str | bytes]]) -> list[Any]:
        """Refusals are answers here; other exceptions are raised."""
        answers: list[Any] = []
        for words in commands:
            try:
                answers.append(self.call(*words))
            except Refusal as refused:
                answers.append(refused)
        return answers
