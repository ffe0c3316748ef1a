"""One turn of whoever brings many commands at once: their owners decide them in its step, where they rest.

A command through an inbox costs a message, a wake-up of the shard and one of the journal, as much as the decision. A
turn is for the command socket, which reads from many clients between two checkpoints: nothing else runs meanwhile, so a
shard that rests (its inbox is empty, nothing is half decided) may be stepped here as well as in its own task, by the
same methods and on its own books. A shard that does not rest gets its commands through the inbox, in order.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from engine.actors.journal import Journal
from engine.actors.messages import Request
from engine.actors.shard import Owned, Shard
from engine.domain.partition import shard_of
from engine.domain.units import EPOCH, AccountId, Sku

_DECIDED_MAX: Final = 1024
"""Commands after which a turn is full; about 10 ms of decisions."""


class Turn:
    """Between `begin` and `end` there is no checkpoint. All that is decided shares an instant and leaves at the end."""

    def __init__(self, shards: Sequence[Shard], journal: Journal) -> None:
        """Make one; it is begun again and again."""
        self.now = EPOCH
        """The instant of the turn: all that comes with it happens then."""
        self.decided = 0
        """Commands so far; who has plain holds granted counts them."""
        self._shards = shards
        self._journal = journal
        self._is_open = False
        self._entered: list[Shard] = []
        self._durable: list[Callable[[], None]] = []

    @property
    def is_full(self) -> bool:
        """Whether it should end, for others to have a turn."""
        return self.decided >= _DECIDED_MAX

    def begin(self, now: datetime) -> None:
        """Begin at this instant, as the clock tells it just now."""
        self.now = now
        self._is_open = self._journal.stalled is None and self._journal.has_room
        self.decided = 0

    def own(self, sku: Sku, account: AccountId) -> Owned | None:
        """Return what plain holds of a SKU for an account need, to be kept; None: there is no such SKU yet."""
        return self._shards[shard_of(sku, len(self._shards))].own(sku, account)

    def enter(self, shard: Shard) -> bool:
        """Begin a step of a shard for this turn; False: it does not rest, or nothing is decided in this turn."""
        if not (self._is_open and shard.at_rest):
            return False
        shard.begin_step(self.now)
        self._entered.append(shard)
        return True

    def decide(self, request: Request) -> bool:
        """Decide a command if one shard owns all its SKUs and rests; its slot is resolved when that is durable."""
        if not self._is_open:
            return False
        owners = {shard_of(sku, len(self._shards)) for sku in request.skus}
        if len(owners) != 1:
            return False
        shard = self._shards[owners.pop()]
        if not (shard.stepping or self.enter(shard)):
            return False
        self.decided += 1
        shard.decide(request)
        return True

    def when_durable(self, tell: Callable[[], None]) -> None:
        """Call `tell` when all that was decided before the end of this turn is durable; it must not block."""
        self._durable.append(tell)

    def end(self) -> None:
        """Hand over to the journal what was decided, and let it commit at once if it can."""
        self._is_open = False
        if not self._entered:
            return
        entered, self._entered = self._entered, []
        for shard in entered:
            shard.end_step()
        durable, self._durable = self._durable, []

        def tell(_position: int) -> None:
            for each in durable:
                each()

        self._journal.add((), tell)
        self._journal.commit_soon()  # those who wait have their answers now, if the store is quick
        for shard in entered:
            shard.rest()
