"""What whoever asks about the past is told when the journal cannot be read back."""

import structlog

from engine.domain.errors import JournalCut, JournalUnavailable, StoreCorrupt
from ops.socket.resp import ErrorReply

log = structlog.get_logger(__name__)


def tell_unreadable(error: StoreCorrupt | JournalUnavailable) -> ErrorReply:
    """Tell the operator, and return what the asker gets; holds go on."""
    if isinstance(error, JournalCut):
        log.warning("journal.cut", first=error.first, last=error.last, file=error.file)
        return ErrorReply("PUTAWAY", str(error))
    log.error("journal.unreadable", reason=str(error), exc_info=error)
    return ErrorReply("DAMAGED", f"the journal cannot be read: {error}")
