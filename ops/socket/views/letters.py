"""What the socket says about dead letters."""

from engine.domain.events import LetterKept
from ops.socket.views.stock import View


def letter_view(letter: LetterKept) -> View:
    """One letter, without what is in it."""
    return {
        "account": letter.account,
        "letter": letter.letter_id,
        "order": letter.order_id,
        "kept_at": letter.at,
        "modified_at": letter.modified_at,
        "bytes": len(letter.body),
        "reason": letter.reason,
    }


def whole_letter_view(letter: LetterKept) -> View:
    """One letter as it came; bytes that are no text are escaped."""
    return letter_view(letter) | {
        "headers": dict(letter.headers),
        "body": letter.body.decode("utf-8", "backslashreplace"),
    }
