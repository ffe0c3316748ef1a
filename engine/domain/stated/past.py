"""What is remembered of the past beside the journal."""

from engine.domain.events.campaigns import CampaignEnded, CampaignReturned
from engine.domain.events.channels import AccountPaused, AccountResumed
from engine.domain.events.rules import RulesSet
from engine.domain.stated.base import BaseStatement


class CommonStated(BaseStatement, frozen=True, kw_only=True, tag="common_stated", gc=False):
    """An event that concerns many SKUs and names none of them, and its frame."""

    position: int
    event: AccountPaused | AccountResumed | CampaignEnded | CampaignReturned | RulesSet
    """Of rules only that there was a new version."""


class CommonCut(BaseStatement, frozen=True, kw_only=True, tag="common_cut", gc=False):
    """There were more of them than are remembered."""


PastStatement = CommonStated | CommonCut
