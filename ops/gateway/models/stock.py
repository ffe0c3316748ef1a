"""What comes out about stock, offers and incidents."""

from engine.domain.units import Instant
from ops.gateway.base import Out


class Figures(Out, frozen=True, kw_only=True):
    """The words of the ledger: `docs/glossary.md`."""

    on_hand: int
    committed: int
    reserved: int
    unavailable: int
    """On hand and not for sale: the three that follow."""
    quality_hold: int
    damaged: int
    display: int
    safety_stock: int
    incoming: int
    in_transit: int
    atp: int
    """Available to promise; negative means oversold."""


class LocationStock(Figures, frozen=True, kw_only=True):
    """The figures at one location."""

    location: str
    kind: str | None = None
    """`own`, `store`, `third_party`, `channel_fulfilled`, `consignment`, `in_transit`; null: not configured."""


class ExpectedUnits(Out, frozen=True, kw_only=True):
    """Units to come, and on which paper."""

    kind: str
    """`purchase_order` or `transfer`."""
    document: str
    location: str
    """Where they are to arrive."""
    quantity: int
    expected_at: Instant | None = None


class BundleComponent(Out, frozen=True, kw_only=True):
    """One SKU with stock of which a bundle is made."""

    sku: str
    quantity: int
    """Units in one unit of the bundle."""
    atp: int
    makes: int
    """Units of the bundle that these would do for."""
    binds: bool
    """Whether there is least of this one."""


class Bundle(Out, frozen=True, kw_only=True):
    """What a bundle is made of, and what there is of that."""

    version: int
    one_location: bool
    """Whether the components of one unit must come from one location."""
    components: tuple[BundleComponent, ...]


class Shortage(Out, frozen=True, kw_only=True):
    """An open incident."""

    location: str | None = None
    """Where units are missing that no other location makes good; null: at those that stand in for one another."""
    units: int
    """Promised beyond what there is."""
    cause: str
    """Of the newest incident."""


class Stock(Figures, frozen=True, kw_only=True):
    """The figures of one SKU over all locations."""

    sku: str
    name: str | None = None
    oversold: int
    """Units promised beyond what there is: open incidents."""
    shortages: tuple[Shortage, ...]
    """What `oversold` is made of."""
    holds: int
    """Open holds."""
    locations: tuple[LocationStock, ...]
    documents: tuple[ExpectedUnits, ...]
    """What makes up `incoming` and `in_transit`, the soonest first."""
    bundle: Bundle | None = None
    """Of a bundle: what it is made of, which `atp` follows; the other figures are those of its own book, zeros."""


class Offer(Out, frozen=True, kw_only=True):
    """What one listing is told and what it shows."""

    account: str
    listing: str
    offer: int | None = None
    shown: int | None = None
    """As last read; null: unknown."""
    state: str
    version: int | None = None
    sent_at: Instant | None = None
    accepted_at: Instant | None = None
    verified_at: Instant | None = None
    reason: str | None = None


class Offers(Out, frozen=True, kw_only=True):
    """Every listing of one SKU."""

    sku: str
    offers: tuple[Offer, ...]


class Incident(Out, frozen=True, kw_only=True):
    """An oversell, with its cause."""

    sku: str
    units: int
    location: str | None = None
    """Where they are missing, and no other location makes them good; null: at those that stand in for one another."""
    account: str | None = None
    order: str | None = None
    cause: str
    detail: str | None = None
    at: Instant
    cleared_at: Instant | None = None


class Incidents(Out, frozen=True, kw_only=True):
    """Newest first."""

    incidents: tuple[Incident, ...]
