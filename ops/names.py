"""The names that callers may use: accounts, SKUs and locations there are; any other is refused by name."""

from collections.abc import Mapping, Sequence
from itertools import chain

from engine.domain.catalogue.codes import Codes
from engine.domain.orders import OrderSnapshot
from engine.domain.units import DIRECT, AccountId, LocationId, Sku, check_identifier
from ops.account import ChannelAccount
from ops.socket import arguments as read
from ops.socket.resp import ErrorReply


class Names:
    """What a command may name."""

    def __init__(
        self,
        *,
        accounts: Mapping[AccountId, ChannelAccount],
        locations: Sequence[LocationId],
        direct_locations: tuple[LocationId, ...],
        codes: Codes,
    ) -> None:
        """Know these; the seller's own account sells from `direct_locations`."""
        self._accounts = accounts
        self._locations = locations
        self._direct_locations = direct_locations
        self._codes = codes

    def account(self, account_id: AccountId) -> ChannelAccount:
        """Return a channel account.

        Raises:
            ErrorReply: NOSUCHACCOUNT.
        """
        account = self._accounts.get(account_id)
        if account is None:
            raise self._no_such_account(account_id)
        return account

    def check_account(self, account_id: AccountId) -> None:
        """Raise NOSUCHACCOUNT unless orders of this account may exist."""
        if account_id != DIRECT and account_id not in self._accounts:
            raise self._no_such_account(account_id)

    def sku(self, word: bytes) -> Sku:
        """Read what a caller calls a SKU, by any code it ever had; return its id."""
        return self._codes.resolve(read.sku(word))

    def location(self, location: LocationId) -> LocationId:
        """Return a location that the configuration has.

        Raises:
            ErrorReply: NOSUCHLOCATION.
        """
        if location not in self._locations:
            raise ErrorReply("NOSUCHLOCATION", f"location={location} (known: {', '.join(self._locations)})")
        return location

    def locations_of(self, account_id: AccountId) -> tuple[LocationId, ...]:
        """Return where an account sells from."""
        self.check_account(account_id)
        return self._direct_locations if account_id == DIRECT else self._accounts[account_id].locations

    def _no_such_account(self, account_id: AccountId) -> ErrorReply:
        known = ", ".join(sorted((*self._accounts, DIRECT)))
        return ErrorReply("NOSUCHACCOUNT", f"account={account_id} (known: {known})")

    def check_identifiers(self, snapshot: OrderSnapshot) -> None:
        """Raise BADARG when an id in a snapshot cannot be used, NOSUCHLOCATION where nobody can pick anything up."""
        named = chain(
            [("order_id", snapshot.order_id)],
            (("line_id", line.line_id) for line in snapshot.lines),
            (("sku", line.sku) for line in snapshot.lines if line.sku is not None),
        )
        for what, value in named:
            problem = check_identifier(what, value)
            if problem is not None:
                raise ErrorReply("BADARG", problem)
        for line in snapshot.lines:
            if line.location is not None:
                self.location(line.location)
