"""What a message says: for people in lines, for programs as one JSON document. Pure."""

from datetime import datetime
from typing import Any, Final

import msgspec

from engine.domain.alerts import Message, Notice, Severity, Transition

LINES_MAX: Final = 50
"""Lines for people; a digest of more says how many are left out. Programs get all."""
_TITLE_CHARACTERS_MAX: Final = 150
"""Longer subjects are folded by mail programs in the list, where they are read."""
_MARKS: Final = {Severity.CRITICAL: "CRITICAL", Severity.WARNING: "Warning", Severity.NOTICE: "Notice"}
_ENCODER: Final = msgspec.json.Encoder()


def title_of(message: Message, *, node: str) -> str:
    """Return one line: what is the matter, or how much is."""
    if not message.notices:
        return f"[{node}] Test: alerts for {message.destination} arrive"
    if len(message.notices) == 1:
        return _shorten(f"[{node}] {line_of(message.notices[0])}")
    worst = min(message.notices, key=lambda notice: list(_MARKS).index(Severity(notice.severity)))
    raised = sum(notice.transition == Transition.RAISED for notice in message.notices)
    return _shorten(f"[{node}] {len(message.notices)} alerts, {raised} of them new; {line_of(worst)}")


def line_of(notice: Notice) -> str:
    """Return one transition as a sentence on one line."""
    said = f"{_MARKS[Severity(notice.severity)]}: {_words(notice.kind)}: {_flatten(notice.text)}"
    match notice.transition:
        case Transition.RAISED:
            least = "" if notice.suppressed_since is None else "at least "
            again = f" (came back {least}{notice.suppressed} times in between)" if notice.suppressed else ""
            return f"{said}{again}"
        case Transition.ACKNOWLEDGED:
            return f"Acknowledged by {_flatten(notice.by)}: {said}"
        case Transition.RESOLVED:
            return f"Resolved{f' by {_flatten(notice.by)}' if notice.by else ''}: {said}"


def text_of(message: Message, *, node: str) -> str:
    """Return all of it for people, one line per transition."""
    if not message.notices:
        return title_of(message, node=node)
    lines = [f"{_instant(notice.at)}  #{notice.alert_id}  {line_of(notice)}" for notice in message.notices[:LINES_MAX]]
    left_out = len(message.notices) - LINES_MAX
    if left_out > 0:
        lines.append(f"... and {left_out} more: lastunit alerts")
    return "\n".join(lines)


def document_of(message: Message, *, node: str) -> bytes:
    """Return all of it for programs. The same message makes the same bytes, however often it is sent."""
    document: dict[str, Any] = {
        "id": message.message_id,
        "node": node,
        "at": message.at,
        "test": not message.notices,
        "alerts": [
            {
                "alert": notice.alert_id,
                "transition": notice.transition,
                "kind": notice.kind,
                "subject": notice.subject,
                "severity": notice.severity,
                "text": notice.text,
                "details": dict(notice.details),
                "raised_at": notice.raised_at,
                "at": notice.at,
                "by": notice.by or None,
                "suppressed": notice.suppressed,
                "suppressed_since": notice.suppressed_since,
            }
            for notice in message.notices
        ],
    }
    return _ENCODER.encode(document)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _flatten(text: str) -> str:
    """Keep names that came from a channel from starting a line, or a mail's head, of their own."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _shorten(text: str) -> str:
    return text if len(text) <= _TITLE_CHARACTERS_MAX else f"{text[: _TITLE_CHARACTERS_MAX - 3]}..."
