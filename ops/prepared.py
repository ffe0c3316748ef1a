"""A plan carried out on the side, so that the step for which every shard lends its books is short.

New SKUs get their books in ledgers of nobody, items are described in a draft, and the frame is encoded: what is left
for that step is to take all of it over, and whatever concerns books that people may be using.
"""

from collections.abc import Iterator

from engine.actors.journal import encode_event
from engine.actors.router import Router
from engine.domain.catalogue.catalogue import Catalogue, Draft
from engine.domain.catalogue.importing import Plan
from engine.domain.events import BookEvent, Event, ItemDescribed, SkuAdded
from engine.domain.partition import shard_of
from engine.domain.units import Sku


class Prepared:
    """What a plan comes to. Good as long as the plan holds."""

    def __init__(self, plan: Plan, catalogue: Catalogue, router: Router) -> None:
        """Prepare `plan`; `walk` does it."""
        self.plan = plan
        self.draft = Draft(catalogue)
        self.ledgers = router.blank_ledgers()
        """New books, by shard."""
        self.new: dict[Sku, None] = {}
        self.events: list[Event] = []
        """Taken over with `draft` and `ledgers`..."""
        self.payload = bytearray()
        """...and as the frame has them."""
        self.rest: list[BookEvent] = []
        """To be applied to books that are in use."""
        self._catalogue = catalogue

    def walk(self) -> Iterator[None]:
        """Prepare event by event, with a pause after each."""
        for event in self.plan.events:
            if isinstance(event, ItemDescribed):
                self.draft.apply(event)
                self._keep(event)
            elif event.sku in self.new or event.sku not in self._catalogue:
                self.new[event.sku] = None
                self.ledgers[shard_of(event.sku, len(self.ledgers))].apply(event)
                if isinstance(event, SkuAdded):
                    self.draft.apply(event)
                self._keep(event)
            else:
                if isinstance(event, SkuAdded):
                    self.draft.apply(event)
                self.rest.append(event)
            yield

    def _keep(self, event: Event) -> None:
        self.events.append(event)
        self.payload += encode_event(event)
