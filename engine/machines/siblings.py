"""Which accounts are verified at zero, SKU by SKU, and which one may therefore show the last units.

A buffer covers what others may sell before a number lands. Once every other account shows zero, and was seen to, nobody
else can: the one still open needs no buffer. When all are at zero because of their buffers, the first account whose
rule allows it opens. Any sibling that is not verified at zero, from the moment its offer says so, brings the buffer
back. Sales of the direct account are not looked at here: holds are decided on the true ATP, and what is sold directly
just now is a buffer of its own (`Facts.rate_direct`).
"""

from collections.abc import Callable, Sequence

from engine.domain.units import AccountId, Sku


class Siblings:
    """Shared by the listings of all accounts. O(accounts) per transition."""

    def __init__(self, accounts: Sequence[AccountId], allowed: Callable[[Sku, AccountId], bool]) -> None:
        """Start with nobody selling.

        Args:
            accounts: in the order in which one of them opens when all are at zero.
            allowed: whether the rule of a SKU at an account gives it the last units.
        """
        self.retouch: Callable[[Sku, AccountId], None] = lambda _sku, _account: None
        """Called when an account's buffer of a SKU ends or comes back; must not compute it at once."""
        self._accounts = tuple(accounts)
        self._bits = {account: 1 << index for index, account in enumerate(accounts)}
        self._allowed = allowed
        self._selling: dict[Sku, int] = {}
        self._dark: dict[Sku, int] = {}
        self._last: dict[Sku, AccountId] = {}

    def __bool__(self) -> bool:
        """Whether anybody shows the last units of anything."""
        return bool(self._last)

    def note(self, sku: Sku, account: AccountId, *, selling: bool, dark: bool) -> None:
        """Take in whether an account has listings of a SKU, and whether all of them are verified at zero."""
        bit = self._bits[account]
        _set(self._selling, sku, bit, on=selling)
        _set(self._dark, sku, bit, on=selling and dark)
        self.review(sku)

    def review(self, sku: Sku) -> None:
        """Choose anew who may show the last units: after a transition, or after a rule was edited."""
        before, after = self._last.get(sku), self._choose(sku)
        if before == after:
            return
        if after is None:
            del self._last[sku]
        else:
            self._last[sku] = after
        for account in (before, after):
            if account is not None:
                self.retouch(sku, account)

    def last_open(self, sku: Sku, account: AccountId) -> bool:
        """Whether this account may show the last units."""
        return self._last.get(sku) == account

    def _choose(self, sku: Sku) -> AccountId | None:
        dark = self._dark.get(sku, 0)
        if not dark:
            return None
        selling = self._selling[sku]
        lit = selling & ~dark
        if selling.bit_count() < 2 or lit.bit_count() > 1:
            return None
        for account, bit in self._bits.items():
            if (lit or selling) & bit and self._allowed(sku, account):
                return account
        return None


def _set(bits: dict[Sku, int], sku: Sku, bit: int, *, on: bool) -> None:
    known = bits.get(sku, 0)
    changed = known | bit if on else known & ~bit
    if changed:
        bits[sku] = changed
    elif known:
        del bits[sku]
