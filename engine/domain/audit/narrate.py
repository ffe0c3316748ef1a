"""Each event as a sentence that a person reads in a ledger. Pure; closed, so that no kind of event is forgotten."""

from collections.abc import Iterable
from typing import assert_never

from engine.domain.audit.narrate_alerts import narrate_alert
from engine.domain.audit.narrate_movements import narrate_movement
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    AlertEvent,
    BookEvent,
    BooksCompared,
    CampaignEnded,
    CampaignEvent,
    CampaignReturned,
    CampaignSet,
    DeliveryEvent,
    DemandLapsed,
    DemandSet,
    DriftFound,
    Event,
    HoldCommitted,
    HoldExpired,
    HoldRefused,
    HoldReleased,
    ImportAdvanced,
    ImportDecided,
    ImportStaged,
    ItemDescribed,
    LetterKept,
    LetterSettled,
    ListingDropped,
    ListingMapped,
    Movement,
    OrderRecorded,
    OrdersCaughtUp,
    OversellCleared,
    OversellRecorded,
    PaperForgotten,
    Part,
    PushEvent,
    PushPlanned,
    PushSettled,
    PushVerified,
    RecipeSet,
    RulesSet,
    SkuAdded,
    SkuMerged,
    SkuRenamed,
    SkuRetired,
    SkuRevived,
    SnapshotFused,
    StockConfirmed,
    UnitsHeld,
    ViolationCleared,
    ViolationFound,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.stock.book import units_of
from engine.domain.units import LocationId


def narrate(event: Event) -> str:
    """Say what happened, without its instant and its SKU: those stand beside it."""
    if isinstance(event, BookEvent):
        return narrate_book(event)
    if isinstance(event, PushEvent):
        return narrate_push(event)
    if isinstance(event, AlertEvent | DeliveryEvent):
        return narrate_alert(event)
    match event:
        case OrderRecorded(snapshot=order):
            lines = len(order.lines)
            status = f"{order.status} ({order.channel_status})" if order.channel_status else str(order.status)
            return f"order {order.order_id} of {order.account} is {status}, {lines} line{'' if lines == 1 else 's'}"
        case WebhookStored(account=account, delivery_key=key):
            return f"webhook {key} of {account} came in"
        case WebhookHandled(account=account, delivery_key=key, outcome=outcome):
            return f"webhook {key} of {account} was handled: {outcome}"
        case LetterKept(account=account, order_id=None, reason=reason):
            return f"a webhook of {account} was not understood and is kept: {reason}"
        case LetterKept(account=account, order_id=order, reason=reason):
            return f"order {order} of {account} was not understood and is kept: {reason}"
        case LetterSettled(account=account, letter_id=letter, outcome=outcome, by=by):
            return f"letter {letter} of {account} was {outcome}" + (f" by {by}" if by else "")
        case OrdersCaughtUp(account=account, through_at=through_at):
            return f"every order of {account} up to {through_at:%Y-%m-%d %H:%M:%S} UTC is known"
        case ItemDescribed():
            return "its details in the catalogue were changed"
        case SkuRenamed(code=code, was=was):
            return f"it is called {code} from now on, no more {was}"
        case ViolationFound(law=law, location=location, expected=expected, found=found):
            where = f" at {location}" if location is not None else ""
            return f"the scanner found that this does not hold{where}: {law} ({expected} expected, {found} found)"
        case ViolationCleared(law=law, location=location):
            return f"the scanner found that this holds again{f' at {location}' if location is not None else ''}: {law}"
        case RulesSet(version=version, note=note, source=source):
            came = " from the configuration" if source == "file" else ""
            return f"rules version {version} holds{came}" + (f": {note}" if note else "")
        case CampaignSet() | CampaignEnded() | CampaignReturned():
            return _narrate_campaign(event)
        case StockConfirmed(source=source, location=location, rows=rows, as_of=as_of):
            skus = f"{len(rows)} SKU{'' if len(rows) == 1 else 's'}"
            return f"{source} has of {skus} at {location} what the books had as of {as_of:%Y-%m-%d %H:%M:%S} UTC"
        case SnapshotFused(source=source, location=location, rows=rows, falling=falling, key=key):
            return f"snapshot {key} of {source} at {location} was refused: {falling} of {rows} rows would fall to zero"
        case BooksCompared(part=part):
            return f"books were compared with the journal, part {part}"
        case ImportStaged(number=number, piece=piece):
            return f"piece {piece} of import {number} was kept for later"
        case ImportDecided(number=number, pieces=pieces):
            return f"import {number} was decided, {pieces} more piece{'' if pieces == 1 else 's'} of it to come"
        case ImportAdvanced(number=number, applied=applied):
            return f"piece {applied} of import {number} was done"
        case _:
            assert_never(event)


def narrate_book(event: BookEvent) -> str:
    """Say what happened to a book."""
    if isinstance(event, Movement):
        return narrate_movement(event)
    match event:
        case SkuAdded(name=name, safety_stock=safety):
            kept = f", safety stock {places(safety)}" if safety else ""
            return f"the SKU is called {name!r}{kept}" if name else f"the SKU exists{kept}"
        case UnitsHeld(hold_id=hold, parts=parts, expires_at=until, account=account):
            end = "until it is ended" if until is None else f"until {until:%Y-%m-%d %H:%M:%S} UTC"
            return f"hold {hold} of {account} took {places(parts)}, {end}"
        case HoldRefused(hold_id=hold, requested=requested, atp=atp, account=account):
            return f"hold {hold} of {account} was refused: {requested} wanted, {atp} available"
        case HoldCommitted(hold_id=hold, order_id=order, owed=owed):
            into = f"order {order}" if order is not None else "a sale"
            return f"hold {hold} became {into}" + ("" if owed else ", whose lines claim the units already")
        case HoldReleased(hold_id=hold):
            return f"hold {hold} was given back"
        case HoldExpired(hold_id=hold):
            return f"hold {hold} ran out of time"
        case DemandSet():
            return _narrate_demand(event)
        case DemandLapsed(account=account, order_id=order, line_id=line):
            return f"order {order} of {account}, line {line}: not paid in time, its units are free"
        case OversellRecorded():
            return _narrate_oversell(event)
        case OversellCleared(location=location):
            return "all that was promised can be kept again" + _at(location)
        case RecipeSet(version=version, components=components, together=together):
            if not components:
                return f"it is no bundle any more (version {version})"
            made = ", ".join(f"{units} {sku}" for sku, units in components)
            return f"one unit is made of {made}{' from one location' if together else ''} (version {version})"
        case PaperForgotten():
            return f"{_name_paper(event)} was done long ago and is forgotten"
        case SkuMerged(into=into):
            return f"it turned out to be {into}: its units, order lines and listings went there"
        case SkuRetired():
            return "it is retired: nothing more of it is promised or shown"
        case SkuRevived():
            return "it is sold again"
        case _:
            assert_never(event)


def _name_paper(event: PaperForgotten) -> str:
    if event.purchase_order is not None:
        return f"purchase order {event.purchase_order}"
    if event.transfer is not None:
        return f"transfer {event.transfer}"
    return f"what came back of order {event.order_id} of {event.account}, line {event.line_id},"


def narrate_push(event: PushEvent) -> str:
    """Say what passed between us and a channel."""
    match event:
        case ListingMapped(account=account, listing_id=listing, sku=sku, pack_units=pack, source=source):
            packs = f" in packs of {pack}" if pack != 1 else ""
            return f"listing {listing} of {account} sells {sku}{packs}" + (f" (by {source})" if source else "")
        case ListingDropped(account=account, listing_id=listing):
            return f"listing {listing} of {account} is not ours to manage any more"
        case PushPlanned(account=account, listing_id=listing, quantity=quantity, version=version, terms=terms):
            because = reason_of(terms)
            return f"{account} is told to show {quantity} on listing {listing} (v{version})" + (
                f" because {because}" if because else ""
            )
        case PushSettled(account=account, verdict=verdict, version=version, reason=reason):
            said = "it was not sent: a newer number is wanted" if verdict == "superseded" else f"{account}: {verdict}"
            return f"v{version} {said}" + (f" ({reason})" if reason else "")
        case PushVerified(account=account, listing_id=listing, version=version, shown=shown):
            return f"{account} shows {shown} on listing {listing}: v{version} is verified"
        case DriftFound(account=account, listing_id=listing, version=version, shown=shown, expected=expected):
            seen = "no number" if shown is None else shown
            return f"{account} shows {seen} on listing {listing} instead of {expected} (v{version})"
        case AccountPaused(account=account, reason=reason):
            return f"{account} is paused: {reason}"
        case AccountResumed(account=account):
            return f"{account} goes on"
        case _:
            assert_never(event)


def places(parts: Iterable[Part]) -> str:
    """Write units by location: `3 from berlin and 1 from hamburg`."""
    return " and ".join(f"{units} from {location}" for location, units in parts) or "none"


def reason_of(terms: Iterable[tuple[str, str, str]]) -> str:
    """Shorten the sum behind an offer to the terms that a person adds up: `atp 7, share 0.5, buffer 1`."""
    neutral = {("share", "1"), ("buffer", "0"), ("pack", "1"), ("floor", "0"), ("cap", "none"), ("count error", "0")}
    results = {"shared", "packs", "offer"}
    return ", ".join(
        f"{term} {value}"
        for term, value, _ in terms
        if term not in results and (term, value) not in neutral and not term.startswith("atp ")
    )


def _narrate_demand(event: DemandSet) -> str:
    levels = [
        f"{units_of(parts)} {word}" + (f" ({places(parts)})" if word in {"owed", "kept until paid"} else "")
        for word, parts in (
            ("owed", event.committed),
            ("kept until paid", event.reserved),
            ("shipped", event.shipped),
            ("returned", event.returned),
        )
        if parts
    ]
    stands = ", ".join(levels) if levels else "nothing is owed"
    moved = ", moved there by hand" if event.by or event.reason or event.reference else ""
    return f"order {event.order_id} of {event.account}, line {event.line_id}: {stands}{moved}"


def _narrate_campaign(event: CampaignEvent) -> str:
    match event:
        case CampaignSet(account=account, quota=quota, starts_at=starts_at, ends_at=ends_at):
            period = f"{starts_at:%Y-%m-%d %H:%M} to {ends_at:%Y-%m-%d %H:%M} UTC"
            return f"{quota} are set aside for campaign {event.key} of {account}, {period}"
        case CampaignEnded(note=note):
            return f"campaign {event.key} was ended before its time" + (f": {note}" if note else "")
        case CampaignReturned(sold=sold, remainder=remainder, by=by, note=note):
            said = f", by hand{f': {note}' if note else ''}" if by or note else ""
            return f"campaign {event.key} is over: {sold} sold, {remainder} belong to everybody again{said}"
        case _:
            assert_never(event)


def _narrate_oversell(event: OversellRecorded) -> str:
    where = _at(event.location)
    if event.units == 0:
        return f"still {event.open_units} more promised than there is{where}"
    whose = f" by order {event.order_id} of {event.account}" if event.order_id is not None else ""
    why = f"{event.cause}: {event.detail}" if event.detail else event.cause
    return f"oversold by {event.units}{whose} ({why}); {event.open_units} more promised than there is{where}"


def _at(location: LocationId | None) -> str:
    return "" if location is None else f" at {location}"
