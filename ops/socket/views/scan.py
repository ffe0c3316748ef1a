"""What the socket says of scans and of what they found."""

from typing import Any

from engine.actors.scanner import Scanner
from engine.actors.scanreport import Report
from engine.domain.audit.laws import Violation
from engine.domain.audit.origin import Origin, tell
from engine.domain.events import ViolationFound

View = dict[str, Any]

_LISTED_MAX = 100
"""Violations that SCAN lists; the others are counted."""


def report_view(report: Report) -> View:
    """SCAN: what was checked, what does not hold, and the events of the SKUs concerned."""
    return {
        "sku": report.sku,
        "deep": report.deep,
        "books": report.books,
        "records": report.records,
        "position": report.position,
        "seconds": round(report.seconds, 3),
        "found": len(report.violations),
        "violations": [_violation_view(violation) for violation in report.violations[:_LISTED_MAX]],
        "origins": [_origin_view(origin) for origin in report.origins.values()],
    }


def violations_view(scanner: Scanner) -> View:
    """VIOLATIONS: what is on record and not cleared, the newest first, and how far the background is."""
    newest = list(scanner.open.values())[: -_LISTED_MAX - 1 : -1]
    asked, last = scanner.asked, scanner.last
    return {
        "found": len(scanner.open),
        "unlisted": scanner.unlisted,
        "passed_at": scanner.passed_at,
        "books": scanner.books_checked,
        "pass_books": scanner.pass_books,
        "pass_of": scanner.books,
        "asked": None if asked is None else {"sku": asked.sku, "deep": asked.deep, "began_at": asked.began_at},
        "last": None if last is None else {"ended_at": last[0], **report_view(last[1])},
        "violations": [_open_view(event) for event in newest],
    }


def _violation_view(violation: Violation) -> View:
    return {
        "law": violation.law,
        "sku": violation.sku,
        "location": violation.location,
        "expected": violation.expected,
        "found": violation.found,
        "detail": violation.detail,
    }


def _open_view(event: ViolationFound) -> View:
    return {
        "law": event.law,
        "sku": event.sku,
        "location": event.location,
        "expected": event.expected,
        "found": event.found,
        "detail": event.detail,
        "since": event.at,
        "positions": list(event.positions),
        "origin": event.origin,
    }


def _origin_view(origin: Origin) -> View:
    """Say which event the journal stops adding up at; none: it does add up, and only this process' memory is wrong."""
    first = None
    if origin.first is not None:
        position, at, kind, text = tell(*origin.first)
        law = None if origin.violation is None else origin.violation.law
        first = {"position": position, "at": at, "kind": kind, "text": text, "law": law}
    return {
        "sku": origin.sku,
        "blame": "journal" if first is not None else "memory",
        "first": first,
        "events": [told._asdict() for told in origin.told],
    }
