"""One channel account put together: its channel, its pusher and its intake."""

import random
from datetime import datetime
from typing import Protocol

import trio

from config import schema
from engine.actors.intake import Intake, IntakeListener, IntakeSettings
from engine.actors.journal import Journal
from engine.actors.order_desk import OrderDesk
from engine.actors.pusher import Pusher
from engine.actors.router import Router
from engine.actors.turns import Turns
from engine.domain.availability import ChannelSale
from engine.domain.catalogue.codes import Codes
from engine.domain.events import ListingMapped
from engine.domain.offers.offers import Offering
from engine.domain.orders import OrderLine
from engine.domain.units import AccountId, ListingId, LocationId, Sku
from engine.machines.budget import BudgetTerms
from engine.machines.pushing import Around, PusherListener, PushTerms
from engine.ports import Channel, Clock


class ChannelAccount:
    """An account at a sales channel."""

    def __init__(
        self,
        settings: schema.Account,
        limits: schema.Limits,
        *,
        offering: Offering,
        around: Around,
        turns: Turns,
        kind: str,
        channel: Channel,
        router: Router,
        codes: Codes,
        journal: Journal,
        clock: Clock,
        rng: random.Random,
        listener: "AccountListener",
    ) -> None:
        """Put it together; `listen_to` completes it."""
        self.id = AccountId(settings.id)
        self.kind = kind
        self.mode = settings.mode
        self.locations = offering.locations
        self.channel = channel
        self._settings = settings
        self._limits = limits
        self._journal = journal
        self._clock = clock
        self._listener = listener
        self.pusher = Pusher(
            self.id,
            channel,
            offering=offering,
            mode=settings.mode,
            known_sku=router.knows,
            resolve=codes.resolve,
            push=PushTerms(**{name: getattr(settings.push, name) for name in PushTerms.__struct_fields__}),
            budget=BudgetTerms(**{name: getattr(settings.budget, name) for name in BudgetTerms.__struct_fields__}),
            clock=clock,
            rng=rng,
            recorder=journal,
            request_order_poll=self._request_poll,
            listener=listener,
            around=around,
            turns=turns,
        )
        self.intake: Intake

    def listen_to(self, desk: OrderDesk) -> None:
        """Complete it with its intake: the desk asks accounts, and intakes tell the desk."""
        orders, limits = self._settings.orders, self._limits
        self.intake = Intake(
            self.channel,
            settings=IntakeSettings(
                poll_seconds=orders.poll_seconds,
                overlap_seconds=orders.overlap_seconds,
                lookback_hours=orders.lookback_hours,
                webhook_check_seconds=orders.webhook_check_seconds,
                remembered_seconds=limits.remembered_seconds,
                remembered_max=limits.remembered_max,
                letters_max=limits.letters_max,
                mailbox_max=limits.mailbox_max,
            ),
            desk=desk,
            journal=self._journal,
            clock=self._clock,
            gate=self.pusher,
            pushing=self.pusher,
            listener=self._listener,
        )

    def mapping(self, listing: ListingId, sku: Sku, pack_units: int) -> ListingMapped | None:
        """Return the event that maps a listing as an import says; None when it is mapped so."""
        return self.pusher.mapping(listing, sku, pack_units)

    def remap(self, gone: Sku, into: Sku, at: datetime) -> list[ListingMapped]:
        """Return the events that make every listing of one SKU sell another."""
        return self.pusher.remap(gone, into, at)

    def look_again(self) -> None:
        """Match listings and order lines again: SKUs have come, or go by other names."""
        self.pusher.resync()
        self.intake.request_poll()

    def _request_poll(self) -> None:
        self.intake.request_poll()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Push and listen until cancelled; an account that is off does neither."""
        async with trio.open_nursery() as nursery:
            if self.mode != "off":
                await nursery.start(self.pusher.run)
                await nursery.start(self.intake.run_webhooks)
                await nursery.start(self.intake.run_polls)
            task_status.started()


class DirectAccount:
    """The seller's own storefront and tills: no listings, no pushes; orders come through RECORD and holds."""

    def __init__(self, locations: tuple[LocationId, ...], codes: Codes) -> None:
        """Sell from these locations, in the order of the configuration."""
        self.locations = locations
        self._codes = codes

    def sku_of(self, line: OrderLine) -> Sku | None:
        """Take the SKU as it is named, by any code it ever had."""
        return None if line.sku is None else self._codes.resolve(line.sku)

    def pack_units_of(self, line: OrderLine) -> int:  # noqa: ARG002
        """Units are units here."""
        return 1

    def cause_of_oversell(self, sku: Sku, placed_at: datetime) -> tuple[str, str]:  # noqa: ARG002
        """Nothing was pushed, so nothing can have lagged: it was sold without a hold."""
        return "no_hold", "an order was recorded for units that no hold had promised"

    def channel_sale(self, sale: ChannelSale) -> None:
        """There is no count to correct."""


class AccountListener(PusherListener, IntakeListener, Protocol):
    """What an account reports to telemetry."""
