"""One call to a channel: under its deadline, heard by telemetry, its failure a value."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from engine.domain.errors import ChannelError, CredentialsRejected, OutcomeUnknown
from engine.domain.units import AccountId
from engine.machines.pushing import PusherListener

T = TypeVar("T")


class Caller:
    """Makes the calls of one account."""

    def __init__(self, account: AccountId, *, seconds_max: float, listener: PusherListener) -> None:
        """Give each call `seconds_max`."""
        self.rejected: dict[str, str] = {}
        """Operations that the channel refuses our credentials for since they last worked, and its words."""
        self._account = account
        self._seconds_max = seconds_max
        self._listener = listener

    async def attempt(self, operation: str, call: Callable[[], Awaitable[T]]) -> T | ChannelError:
        """Make a call and return what came of it; one that is not over in time may have happened."""
        started = trio.current_time()
        outcome: T | ChannelError
        try:
            with trio.fail_after(self._seconds_max):
                outcome = await call()
        except trio.TooSlowError:
            reason = f"no answer within {self._seconds_max:g} s"
            outcome = OutcomeUnknown(self._account, operation, reason)
        except ChannelError as error:
            outcome = error
        if isinstance(outcome, CredentialsRejected):
            self.rejected[operation] = outcome.reason
        elif not isinstance(outcome, ChannelError):
            self.rejected.pop(operation, None)
        word = type(outcome).__name__ if isinstance(outcome, ChannelError) else "ok"
        self._listener.call_ended(self._account, operation, trio.current_time() - started, word)
        return outcome
