"""What owners say of themselves at a position of the journal: snapshots are made of these, so they are forever too.

Where what is known is an event (the newest version of the rules, an open hold), the event itself says it. A statement
is for sums and for what many events have come to. New fields get defaults; none is renamed or retyped.
"""

from engine.domain.events import Event
from engine.domain.stated.accounts import AccountStatement
from engine.domain.stated.alerts import AlertStatement
from engine.domain.stated.base import BaseStatement, Stateful
from engine.domain.stated.catalogue import ItemStated, NamesStated, RetiredStated
from engine.domain.stated.imports import ImportStated, PieceStated
from engine.domain.stated.incidents import IncidentsStated, IncidentStated
from engine.domain.stated.offers import OfferStatement
from engine.domain.stated.orders import OrderNotesStated, OrderStated, SettledStated
from engine.domain.stated.papers import PapersStated, PurchaseStated, TransferStated
from engine.domain.stated.past import PastStatement
from engine.domain.stated.stock import BookContinued, BooksStated, BookStated

StockStatement = BookStated | BookContinued | BooksStated
CatalogueStatement = ItemStated | NamesStated | RetiredStated
OrderStatement = OrderStated | SettledStated | OrderNotesStated
PaperStatement = PurchaseStated | TransferStated | PapersStated
IncidentStatement = IncidentStated | IncidentsStated
ImportStatement = ImportStated | PieceStated

Statement = (
    Event
    | StockStatement
    | CatalogueStatement
    | OrderStatement
    | PaperStatement
    | IncidentStatement
    | ImportStatement
    | AccountStatement
    | OfferStatement
    | AlertStatement
    | PastStatement
)
"""What a snapshot may hold: every kind of statement, and every event."""

__all__ = [
    "AccountStatement",
    "AlertStatement",
    "BaseStatement",
    "BookContinued",
    "BookStated",
    "BooksStated",
    "CatalogueStatement",
    "ImportStated",
    "ImportStatement",
    "IncidentStated",
    "IncidentStatement",
    "IncidentsStated",
    "ItemStated",
    "NamesStated",
    "OfferStatement",
    "OrderNotesStated",
    "OrderStated",
    "OrderStatement",
    "PaperStatement",
    "PapersStated",
    "PastStatement",
    "PieceStated",
    "PurchaseStated",
    "RetiredStated",
    "SettledStated",
    "Stateful",
    "Statement",
    "StockStatement",
    "TransferStated",
]
