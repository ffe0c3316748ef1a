"""Bugs of the kind that would cost a seller money, each of which the suite must catch.

A mutant is one replacement in one file. Its tests are the few that are there for this law, so that a run is short;
what they miss the suite misses. `python -m tests.mutants` applies them one at a time and demands red.
"""

from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """One seeded bug."""

    name: str
    harm: str
    """What it would do to a seller."""
    path: str
    """Relative to the root of the tree."""
    old: str
    """Found exactly once in that file."""
    new: str
    tests: tuple[str, ...]
    """What pytest is given to catch it: files, or single tests of them."""


MUTANTS: Final = (
    # -- durable, then visible
    Mutant(
        "answer-before-disk",
        "a buyer is told yes, the power fails, and the unit is sold again",
        "engine/actors/journal.py",
        "        return _Gathered(units, events, frame)\n",
        "        self._settle(_Gathered(units, events, frame))\n        return _Gathered([], events, frame)\n",
        ("tests/unit/test_journal.py",),
    ),
    Mutant(
        "answer-on-decision",
        "the same while the disk hesitates, as a real process that is killed shows it",
        "engine/actors/shard.py",
        "        enqueue(events, committed if levels or answers else None)\n",
        "        committed(self._journal.position)\n        enqueue(events, lambda _position: None)\n",
        ("tests/crash/test_kill.py",),
    ),
    Mutant(
        "webhook-acknowledged-unstored",
        "a shop is told that its order has arrived, and a crash forgets it until the next poll",
        "engine/actors/intake.py",
        '        self._journal.enqueue((stored,), lambda _position: slot.resolve("STORED"))\n',
        '        slot.resolve("STORED")\n        self._journal.enqueue((stored,), None)\n',
        ("tests/unit/test_intake.py",),
    ),
    Mutant(
        "webhook-forgotten-by-restart",
        "an order that was stored and acknowledged just before a restart takes no stock",
        "engine/actors/intake.py",
        "        left_over = [_delivery_of(stored) for stored in self.arrivals.unhandled.values()]\n",
        "        left_over: list[_Delivery] = []\n",
        ("tests/unit/test_intake.py",),
    ),
    Mutant(
        "half-a-hold",
        "a crash keeps one line of a basket and loses the other",
        "engine/actors/shard.py",
        "        enqueue(events, committed if levels or answers else None)\n",
        "        for event in events[:-1]:\n"
        "            enqueue((event,), lambda _position: None)\n"
        "        enqueue(events[-1:], committed)\n",
        ("tests/unit/test_shard.py",),
    ),
    Mutant(
        "digest-not-checked",
        "a disk that rots is believed",
        "adapters/store/sqlite_file.py",
        "        if is_intact(frame, digest):\n",
        "        if is_intact(frame, digest) or payload:\n",
        ("tests/contract/test_store.py::test_a_flipped_byte_is_found_and_its_frame_named",),
    ),
    Mutant(
        "digest-of-payload-alone",
        "a flipped bit sends the clock a century ahead, and every basket is over",
        "adapters/store/digests.py",
        "    return _COVERS_ALL | zlib.crc32(frame.payload, zlib.crc32(head))\n",
        "    return _COVERS_ALL | zlib.crc32(frame.payload, zlib.crc32(head[:8]))\n",
        ("tests/unit/test_digests.py",),
    ),
    Mutant(
        "gap-not-noticed",
        "a restored journal that lacks a morning is served as if nothing had happened",
        "adapters/store/sqlite_file.py",
        "        if row[0] != expected:\n",
        "        if row[0] < expected:\n",
        ("tests/contract/test_store.py::test_a_missing_frame_is_found_and_named",),
    ),
    Mutant(
        "not-synced",
        "the power fails, and the last minute of yes never happened",
        "adapters/store/sqlite_file.py",
        '    connection.execute("PRAGMA synchronous=FULL")\n',
        '    connection.execute("PRAGMA synchronous=NORMAL")\n',
        ("tests/crash/test_sync.py",),
    ),
    Mutant(
        "fencing-dropped",
        "a daemon that was paused wakes up beside its successor, and both sell the same units",
        "adapters/store/sqlite.py",
        " WHERE (SELECT max(epoch) FROM owners WHERE partition = {PARTITION}) = ?\n",
        " WHERE (SELECT max(epoch) FROM owners WHERE partition = {PARTITION}) >= ?\n",
        ("tests/contract/test_store.py::test_an_owner_that_was_replaced_writes_nothing_more",),
    ),
    Mutant(
        "fencing-dropped-postgresql",
        "the same on a server that both can reach",
        "adapters/store/postgres_sql.py",
        "    SELECT FROM partitions WHERE partition = 0 AND epoch = $5 AND epoch > 0 FOR SHARE\n",
        "    SELECT FROM partitions WHERE partition = 0 AND epoch >= $5 AND epoch > 0 FOR SHARE\n",
        ("tests/contract/test_store.py::test_an_owner_that_was_replaced_writes_nothing_more",),
    ),
    # -- the ledger
    Mutant(
        "grant-off-by-one",
        "the last unit is sold twice",
        "engine/domain/stock/allocate.py",
        "    if total < units:\n",
        "    if total < units - 1:\n",
        ("tests/unit/test_allocate.py", "tests/unit/test_decide.py"),
    ),
    Mutant(
        "plain-grant-off-by-one",
        "the same by the road that nearly all holds take",
        "engine/domain/stock/plain.py",
        "        if left >= 0:\n",
        "        if left >= -1:\n",
        ("tests/properties/test_plain_holds.py",),
    ),
    Mutant(
        "plain-hold-never-runs-out",
        "a basket that was left keeps its units for ever",
        "engine/actors/shard.py",
        "        self.ledger.note_grants(granted)\n",
        "        self.ledger.note_grants(())\n",
        ("tests/unit/test_turn.py",),
    ),
    Mutant(
        "expiry-off-by-one",
        "a basket keeps its units at the instant at which they were promised to the next one",
        "engine/domain/stock/dues.py",
        "        return bool(self._instants) and self._instants[0] <= now\n",
        "        return bool(self._instants) and self._instants[0] < now\n",
        ("tests/unit/test_ledger.py", "tests/unit/test_decide.py"),
    ),
    Mutant(
        "hold-granted-again",
        "a shop that asks again about a basket it has paid for takes its units a second time",
        "engine/domain/stock/book.py",
        "        return hold_id in self.holds or hold_id in self.ended or hold_id in self.refused\n",
        "        return hold_id in self.holds or hold_id in self.refused\n",
        ("tests/unit/test_decide.py",),
    ),
    Mutant(
        "key-counted-twice",
        "a receipt that is sent again after a timeout doubles the stock",
        "engine/domain/stock/repeats.py",
        "    before = book.movements.get(command.key)\n",
        "    before = None\n",
        ("tests/unit/test_movements.py",),
    ),
    Mutant(
        "key-by-value",
        "two customers bring back one unit each, and the second one counts as a repeat of the first",
        "engine/domain/stock/repeats.py",
        "    before = book.movements.get(command.key)\n",
        "    before = book.movements.get(command.key) or next(\n"
        "        (\n"
        "            each\n"
        "            for each in book.movements.values()\n"
        "            if all(getattr(each, name, None) == getattr(command, name) for name in _CONTENT[type(command)])\n"
        "        ),\n"
        "        None,\n"
        "    )\n",
        ("tests/unit/test_movements.py",),
    ),
    Mutant(
        "count-ignores-its-instant",
        "what was sold between counting a shelf and typing the number in is sold again",
        "engine/domain/stock/counts.py",
        "    expected = on_hand - book.on_hand_history.after(command.taken_at, command.location)\n",
        "    expected = on_hand\n",
        ("tests/unit/test_counts.py",),
    ),
    Mutant(
        "oversell-not-recorded",
        "what was sold beyond stock is nobody's business until the buyer writes",
        "engine/domain/stock/ledger.py",
        "    if shortage == before:\n",
        "    if shortage >= before:\n",
        ("tests/unit/test_ledger.py", "tests/unit/test_incidents.py"),
    ),
    Mutant(
        "bundle-demand-not-summed",
        "two kits in one basket that share a bolt are promised the same bolt",
        "engine/domain/commands/holds.py",
        "        total[sku] = total.get(sku, 0) + quantity\n",
        "        total[sku] = max(total.get(sku, 0), quantity)\n",
        ("tests/unit/test_recipes.py", "tests/unit/test_bundle_holds.py"),
    ),
    Mutant(
        "bundle-split-over-places",
        "a set that must leave from one shelf is promised with its halves in two towns",
        "engine/domain/catalogue/making.py",
        "    if level.together and most > 0:\n",
        "    if level.together and most < 0:\n",
        ("tests/unit/test_fanout.py",),
    ),
    Mutant(
        "bundle-debt-forgiven",
        "what is owed of one part beyond what there is does not count against the kit (F1)",
        "engine/domain/catalogue/making.py",
        "    most = min([_left(component, where, fenced) // units for units, component in level.components])\n",
        "    most = min([max(0, _left(component, where, fenced)) // units for units, component in level.components])\n",
        ("tests/unit/test_fanout.py",),
    ),
    # -- orders
    Mutant(
        "newest-order-loses",
        "an order that was cancelled or grown keeps the units of its first message",
        "engine/domain/orders.py",
        "    if known is None or candidate.modified_at > known.modified_at:\n"
        "        return Freshness.NEWER\n"
        "    if candidate.modified_at < known.modified_at:\n",
        "    if known is None or candidate.modified_at < known.modified_at:\n"
        "        return Freshness.NEWER\n"
        "    if candidate.modified_at > known.modified_at:\n",
        ("tests/unit/test_orders.py",),
    ),
    Mutant(
        "cancel-before-sale-forgotten",
        "an order whose cancellation arrives before its sale keeps its units for ever",
        "engine/actors/order_desk.py",
        "        self.put(key, order)\n        await self._record(account, known, order, snapshot, told.slot)\n",
        "        if any(line.open_units for line in snapshot.lines) or known.snapshot is not None:\n"
        "            self.put(key, order)\n"
        "        await self._record(account, known, order, snapshot, told.slot)\n",
        ("tests/unit/test_order_desk.py",),
    ),
    Mutant(
        "watermark-passes-the-unreadable",
        "an order that could not be understood is never asked for again",
        "engine/actors/order_reader.py",
        "                stop_at = min(stop_at, ",
        "                stop_at = max(stop_at, ",
        ("tests/unit/test_intake.py",),
    ),
    # -- what channels show
    Mutant(
        "older-availability-wins",
        "a channel shows units that were sold since",
        "engine/machines/pushes.py",
        "        if known is not None and availability.position < known.position:\n",
        "        if known is not None and availability.position > known.position:\n",
        ("tests/unit/test_publisher.py",),
    ),
    Mutant(
        "superseded-push-sent",
        "a number that was overtaken while it waited puts sold units back on the shelf",
        "engine/machines/pushes.py",
        " and listing.offer == plan.quantity and self._listings.paused is None\n",
        " and self._listings.paused is None\n",
        ("tests/unit/test_publisher.py",),
    ),
    Mutant(
        "push-keyed-by-value",
        "after a sale of the channel's own the same number is held to be there already, and is not sent",
        "engine/machines/pushes.py",
        "            listing.owed = True\n            self.touch(listing, now.at, now, force=True)\n",
        "            self.touch(listing, now.at, now, force=True)\n",
        ("tests/unit/test_publisher.py", "tests/simulation/test_pusher.py"),
    ),
    Mutant(
        "accepted-taken-for-applied",
        "while orders are behind, a shop that said yes and did nothing goes on showing what is sold",
        "engine/machines/pushes.py",
        "        seen = listing.last is not None and listing.last.verified_at is not None\n",
        "        seen = listing.last is not None and listing.last.settled_at is not None\n",
        ("tests/unit/test_publisher.py", "tests/simulation/test_pusher.py"),
    ),
    Mutant(
        "orders-first-skipped",
        "after an outage stock goes up before the orders of that time are known",
        "engine/machines/pushes.py",
        "        if self._line.behind is None or listing.offer == 0:\n            return _Guard.GO\n",
        "        if listing.offer is not None:\n            return _Guard.GO\n",
        ("tests/unit/test_publisher.py", "tests/simulation/test_pusher.py"),
    ),
    Mutant(
        "timeout-taken-for-yes",
        "a write whose answer was lost is never sent again",
        "engine/machines/listing.py",
        "    Verdict.ACCEPTED: Change.ACCEPTED,\n",
        "    Verdict.ACCEPTED: Change.ACCEPTED,\n    Verdict.UNKNOWN: Change.ACCEPTED,\n",
        ("tests/unit/test_listing.py", "tests/unit/test_publisher.py"),
    ),
    Mutant(
        "drift-upward-ignored",
        "a shop that shows more than it was told goes on selling what is not there",
        "engine/machines/readback.py",
        "        return listing.pushed - listing.sold <= shown <= listing.pushed + listing.given_back\n",
        "        return listing.pushed - listing.sold <= shown\n",
        ("tests/unit/test_publisher.py",),
    ),
    Mutant(
        "unknown-read-as-zero",
        "a listing that an answer leaves out counts as sold out, and the number is written over it",
        "engine/machines/publisher.py",
        "                effects += self._readback.unseen(listing, now)\n",
        "                effects += self._readback.seen(listing, 0, read.started, now)\n",
        ("tests/unit/test_publisher.py",),
    ),
    Mutant(
        "last-units-on-accepted",
        "two shops show the last unit, for one of them only said that it would stop",
        "engine/machines/listings.py",
        "    return listing.state is State.VERIFIED and listing.pushed == 0\n",
        "    return listing.state in {State.ACCEPTED, State.VERIFIED} and listing.pushed == 0\n",
        ("tests/unit/test_siblings.py", "tests/unit/test_publisher.py", "tests/simulation/test_offers.py"),
    ),
    Mutant(
        "share-rounded-up",
        "two channels with half of one unit each show one each",
        "engine/domain/offers/offers.py",
        "    return total if total <= 0 else total * share.numerator // share.denominator\n",
        "    return total if total <= 0 else -(-total * share.numerator // share.denominator)\n",
        ("tests/unit/test_offers.py",),
    ),
)
