"""Rules of what accounts may show: each edit is the whole book under a new version."""

from engine.domain.events.base import BaseEvent
from engine.domain.offers.rules import RuleBook


class RulesSet(BaseEvent, frozen=True, kw_only=True, tag="rules_set", gc=False):
    """These rules hold from now on."""

    version: int
    """One above the version before."""
    rules: RuleBook
    by: str = ""
    note: str = ""
    source: str = "command"
    """`command`, or `file`: the configuration's offers had changed."""


RuleEvent = RulesSet
