"""What can go wrong, by what the caller may do about it."""

from collections.abc import Sequence


class StockError(Exception):
    """Root of every error this project raises on purpose."""


class ConfigError(StockError):
    """Settings that cannot be used; every problem at once. Exit code 2."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep one sentence per problem: file, path in the file, value and rule."""
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ChannelError(StockError):
    """A call to a sales channel that brought no usable answer."""

    def __init__(self, channel: str, operation: str, reason: str) -> None:
        """Name the account, what was tried and why it failed, without credentials."""
        super().__init__(f"{channel}: {operation}: {reason}")
        self.channel = channel
        self.operation = operation
        self.reason = reason


class NotSent(ChannelError):
    """The channel cannot have seen it (name lookup, connect or pool failure): safe to repeat."""


class OutcomeUnknown(ChannelError):
    """Sent, but no answer we can trust: resend a level, a delta only under its old key."""


class Throttled(ChannelError):
    """The channel asks for patience."""

    def __init__(self, channel: str, operation: str, reason: str, retry_after_seconds: float | None = None) -> None:
        """`retry_after_seconds` is None when the channel did not say how long."""
        super().__init__(channel, operation, reason)
        self.retry_after_seconds = retry_after_seconds


class Refused(ChannelError):
    """Understood and declined: never repeat unchanged."""


class CredentialsRejected(ChannelError):
    """Keys are wrong, revoked or lack a right: only a person can mend it."""


class MalformedReply(ChannelError):
    """Their bytes and our structs disagree: HTML, truncated JSON, a missing field."""


class JournalError(StockError):
    """The journal did not take an append."""


class JournalUnavailable(JournalError):
    """Known not to be written (disk full, locked): the same append may be tried again."""


class JournalCut(JournalUnavailable):
    """Frames that are needed were put away into a segment, and that is not where segments are."""

    def __init__(self, store: str, *, first: int, last: int, file: str) -> None:
        """Name the store, the first and last frame of the segment, and the file to put back."""
        super().__init__(f"{store}: frames {first} to {last} are needed and were put away: put {file} back")
        self.first = first
        self.last = last
        self.file = file


class AppendUnknown(JournalError):
    """Nobody knows whether it was written: the process stops, its successor replays and knows."""


class Fenced(JournalError):
    """A newer owner has claimed the store: certainly not written, and this process may never write there again."""

    def __init__(self, store: str, *, epoch: int, newest: int, owner: str) -> None:
        """Name the store, our epoch (0: never claimed), the one that counts and who has it."""
        ours = f"epoch {epoch} of this process is over" if epoch else "this process has not claimed it"
        super().__init__(f"{store} belongs to {owner or 'nobody'} (epoch {newest}): {ours}, nothing more is written")
        self.epoch = epoch
        self.newest = newest


class StoreInUse(JournalError):
    """Another daemon owns this store."""


class StoreCorrupt(JournalError):
    """The stored bytes are not what was written: refuse to serve."""
