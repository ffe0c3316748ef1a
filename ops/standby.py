"""A standby: follows the journal of the owner as it grows, and says when the owner is gone."""

from typing import Final

import structlog
import trio

from adapters.store.postgres import PostgresStore
from engine.domain.errors import JournalUnavailable, StoreInUse
from ops.node import Node
from ops.recovery import catch_up

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.25
"""Between two looks at what the owner has written, and whether it lives."""


async def take_over(node: Node, store: PostgresStore, owner: str) -> None:
    """Follow until the owner has left, died or fallen silent; then claim its store. Its last frames are yet to be read.

    The claim is what makes it safe: an owner that wakes up again is refused by the store.

    Raises:
        StoreCorrupt: as `recovery.replay`.
    """
    followed = away = ""
    while True:
        try:
            await catch_up(node, store)
            tenant = await store.tenant()
            if store.is_vacant(tenant):
                epoch = await store.claim(owner)
                log.info(
                    "standby.took_over",
                    epoch=epoch,
                    position=node.journal.position,
                    last=tenant.owner,
                    silent_seconds=tenant.silent_seconds,
                )
                return
            if followed != tenant.owner:
                log.info("standby.following", owner=tenant.owner, position=node.journal.position)
            followed, away = tenant.owner, ""
        except StoreInUse as error:  # another standby was quicker
            log.info("standby.outrun", reason=str(error))
        except JournalUnavailable as error:  # a server that restarts; the owner has the same trouble
            if not away:
                log.warning("store.unavailable", reason=str(error), gives_up_seconds=None)
            away = str(error)
        await trio.sleep(_LOOK_SECONDS)
