"""The command line's end of the command socket, over redis-py."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.schema import Settings
from ops.cli.errors import Refusal, Unreachable

CONNECT_SECONDS_MAX: Final = 3.0
ANSWER_SECONDS_MAX: Final = 30.0
"""Longer than the daemon sits out a slow disk before it answers STALLED or stops being worth waiting for."""

_LISTS_OF_MAPS: Final = frozenset(
    {
        "accounts",
        "allocation",
        "demand",
        "documents",
        "events",
        "lines",
        "locations",
        "offers",
        "open_holds",
        "origins",
        "paused",
        "pushes",
        "rows",
        "terms",
        "violations",
    }
)
"""Fields of docs/socket.md whose value is a list of maps; RESP2 does not tell a map from a list."""

_REACHABLE: Final = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104 - who listens on every address is here too

Map = dict[str, Any]


class Client(Protocol):
    """What commands need of the daemon."""

    def call(self, *words: str | bytes, seconds_max: float = ANSWER_SECONDS_MAX) -> Any:  # noqa: ANN401 - any RESP value
        """Send one command and return its answer as it came."""

    def pipeline(self, commands: Sequence[Sequence[str | bytes]]) -> list[Any]:
        """Send commands without waiting in between; return their answers in order, a `Refusal` where one was refused.

        The caller keeps a batch small enough for both sockets' buffers: nothing is read before all is sent.
        """


class SocketClient:
    """One connection, opened at the first command.

    Nothing is retried behind the caller's back: `IMPORT STAGE` twice would be two imports' worth of rows.
    """

    def __init__(self, settings: Settings, *, start_hint: str) -> None:
        """Prefer the unix socket, which needs no password; `start_hint` tells how to start the daemon."""
        self._hint = start_hint
        path, tcp, password = settings.socket.path, settings.socket.tcp, settings.socket.password
        options: dict[str, Any] = {
            "protocol": 3,
            "decode_responses": True,
            "socket_connect_timeout": CONNECT_SECONDS_MAX,
            "socket_timeout": ANSWER_SECONDS_MAX,
            "retry": Retry(NoBackoff(), 0),
        }
        self._connection: Any  # redis-py's connections are not annotated
        if path is not None:
            self.address = f"unix socket {path}"
            make: Any = redis.UnixDomainSocketConnection
            self._connection = make(path=str(path), **options)
        else:
            assert tcp is not None  # the loader asks for one of both
            host, _, port = tcp.rpartition(":")
            self.address = f"tcp {tcp}"
            secret = password.reveal() if password else None
            host = _REACHABLE.get(host, host.strip("[]"))
            make = redis.Connection
            self._connection = make(host=host, port=int(port), password=secret, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.disconnect()

    def call(self, *words: str | bytes, seconds_max: float = ANSWER_SECONDS_MAX) -> Any:  # noqa: ANN401 - any RESP value
        """Send one command and return its answer as it came.

        Raises:
            Refusal: the daemon's error, with its code.
            Unreachable: no connection, a broken one, or no answer within `seconds_max`.
        """
        self._connect()
        try:
            self._connection.send_command(*words)
            if not self._connection.can_read(seconds_max):
                raise Unreachable(
                    f"no answer from the daemon at {self.address} within {seconds_max:.0f} s:"
                    " whether the command took effect is unknown",
                    sent=True,
                )
            return self._connection.read_response()
        except (redis.ResponseError, redis.AuthenticationError) as error:
            raise _refusal(error) from error
        except redis.RedisError as error:
            raise Unreachable(
                f"the daemon at {self.address} went away before it answered ({error}):"
                " whether the command took effect is unknown",
                sent=True,
            ) from error

    def pipeline(self, commands: Sequence[Sequence[str | bytes]]) -> list[Any]:
        """See `Client.pipeline`.

        Raises:
            Unreachable: as from `call`; any number of the commands may have taken effect.
        """
        self._connect()
        answers: list[Any] = []
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
            for _ in commands:
                if not self._connection.can_read(ANSWER_SECONDS_MAX):
                    raise Unreachable(
                        f"no answer from the daemon at {self.address} within {ANSWER_SECONDS_MAX:.0f} s", sent=True
                    )
                try:
                    answers.append(self._connection.read_response())
                except (redis.ResponseError, redis.AuthenticationError) as error:
                    answers.append(_refusal(error))
        except redis.RedisError as error:
            raise Unreachable(
                f"the daemon at {self.address} went away before it answered ({error})", sent=True
            ) from error
        return answers

    def _connect(self) -> None:
        try:
            self._connection.connect()
        except (redis.ResponseError, redis.AuthenticationError) as error:
            raise _refusal(error) from error
        except redis.RedisError as error:
            reason = getattr(error.__context__, "strerror", None) or error
            raise Unreachable(f"no daemon at {self.address} ({reason}). {self._hint}") from error


def as_map(answer: object) -> Map:
    """Return a map reply: as it is after HELLO 3, from a flat list of fields and values before.

    Raises:
        Unreachable: the answer is no map; something else than lastunit listens there.
    """
    if isinstance(answer, list) and len(answer) % 2 == 0:
        answer = dict(zip(answer[::2], answer[1::2], strict=True))
    if not isinstance(answer, Mapping):
        raise Unreachable("the answer is not what lastunit would say: is this socket another program's?")
    return {str(field): as_maps(value) if field in _LISTS_OF_MAPS else value for field, value in answer.items()}


def as_maps(answer: object) -> list[Map]:
    """Return a reply that is a list of maps."""
    if not isinstance(answer, list):
        raise Unreachable("the answer is not what lastunit would say: is this socket another program's?")
    return [as_map(item) for item in answer]


def parse_info(text: str) -> dict[str, str]:
    """Read INFO's lines `field:value`; comments and empty lines are left out."""
    pairs = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {field: value for field, colon, value in pairs if colon}


def _refusal(error: redis.RedisError) -> Refusal:
    """Put the code back that redis-py takes off the errors it knows."""
    text = str(error)
    code = getattr(error, "status_code", None)
    if not code:
        code, _, text = text.partition(" ")
    return Refusal(code, text) if code.isupper() else Refusal("ERR", str(error))
