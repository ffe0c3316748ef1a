"""Accounts that the journal knows and the configuration does not: kept as they were left, should they come back."""

from collections.abc import Callable

from config import schema
from engine.actors.naming import settled
from engine.domain.errors import StoreCorrupt
from engine.domain.events import Event
from engine.domain.stated import Stateful
from engine.domain.units import EPOCH, AccountId, Sku
from engine.machines.arrivals import Arrivals
from engine.machines.listings import Listings

LISTINGS, INTAKE = "listings", "intake"
"""The sections that each account has, by their names before the colon."""


def section_of(what: str, account: AccountId) -> str:
    """Name the section of an account."""
    return f"{what}:{account}"


class LeftAlone:
    """Their machines without a task: nothing is pushed, polled or answered, and nothing is lost."""

    def __init__(self, limits: schema.Limits, resolve: Callable[[Sku], Sku]) -> None:
        """Start with none; `resolve` finds the SKU that a code means."""
        self._limits = limits
        self._resolve = resolve
        self._listings: dict[AccountId, Listings] = {}
        self._arrivals: dict[AccountId, Arrivals] = {}

    def __contains__(self, account: AccountId) -> bool:
        return account in self._listings or account in self._arrivals

    def push_event(self, account: AccountId, event: Event) -> None:
        """Replay what happened to an account's listings."""
        self.listings(account).apply(settled(event, self._resolve))

    def listings(self, account: AccountId) -> Listings:
        """Return what is known of the listings of an account."""
        return self._listings.setdefault(account, Listings(account))

    def arrivals(self, account: AccountId) -> Arrivals:
        """Return what is known of what an account has told."""
        known = self._arrivals.get(account)
        if known is None:
            known = self._arrivals[account] = Arrivals(
                account,
                remembered_seconds=self._limits.remembered_seconds,
                remembered_max=self._limits.remembered_max,
                letters_max=self._limits.letters_max,
            )
        return known

    def sections(self) -> dict[str, Stateful]:
        """Return those that have something to say, by the names of their sections."""
        owners: dict[str, Stateful] = {section_of(LISTINGS, each): owner for each, owner in self._listings.items()}
        owners |= {section_of(INTAKE, each): owner for each, owner in self._arrivals.items()}
        return {name: owner for name, owner in owners.items() if next(owner.state(EPOCH), None) is not None}

    def owner(self, section: str) -> Stateful:
        """Return who takes in a section that nobody else does.

        Raises:
            StoreCorrupt: it is no account's.
        """
        what, _, account = section.partition(":")
        if not account or what not in {LISTINGS, INTAKE}:
            raise StoreCorrupt(f"nobody here knows what section {section!r} is about")
        return self.listings(AccountId(account)) if what == LISTINGS else self.arrivals(AccountId(account))
