"""Movements and documents of the daemon without a daemon: answers in the right shape, repeats as the first time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

NOW = "2026-11-11T12:00:00.000000Z"
LINE = {"sku": "A-1", "ordered": 48, "received": 24, "open": 24, "over": 0}


class FakeMovements:
    """What `tests.fakes.daemon.FakeDaemon` says to movements; it keeps no stock of them."""

    def on_return(self, key: str, sku: str, location: str, quantity: str, *rest: str) -> dict[str, Any]:
        options = dict(pairwise(rest))
        answer = {"key": key, "sku": sku, "location": location, "quantity": int(quantity), "on_hand": 7}
        order = rest[rest.index("ORDER") + 1 : rest.index("ORDER") + 3] if "ORDER" in rest else (None, None)
        return (
            answer
            | {"state": options["INTO"], "account": order[0], "order": order[1], "line": options.get("LINE")}
            | {"taken_back": 0}
        )

    def on_inspect(self, key: str, sku: str, location: str, quantity: str, *rest: str) -> dict[str, Any]:
        answer = {"key": key, "sku": sku, "location": location, "quantity": int(quantity), "on_hand": 7}
        return answer | {"source": "quality_hold", "target": rest[0].lower()}

    def on_count(self, key: str, sku: str, location: str, counted: str, *rest: str) -> dict[str, Any]:
        answer = {"key": key, "sku": sku, "location": location, "counted": int(counted), "taken_at": rest[1]}
        recount = int(counted) > 10
        answer |= {"applied": not recount, "recount": recount, "confirms": None}
        if recount and "BLIND" in rest:
            return answer
        return answer | {"expected": 10, "variance": int(counted) - 10, "percent": -20.0, "on_hand": int(counted)}

    def on_snapshot(self, key: str, location: str, source: str, *rest: str) -> dict[str, Any]:
        words = rest[rest.index("LINES") + 1 :]
        rows = [
            {"sku": sku, "outcome": "applied", "quantity": int(units), "delta": 0, "on_hand": 1, "problem": None}
            for sku, units in zip(words[::2], words[1::2], strict=True)
        ]
        counts = {"applied": len(rows), "stale": 0, "unknown_sku": 0, "refused": 0}
        return {"key": key, "location": location, "source": source, "as_of": NOW, **counts, "rows": rows}

    def on_reallocate(
        self, account: str, order: str, line: str, sku: str, location: str, *options: str
    ) -> dict[str, Any]:
        return {"account": account, "order": order, "line": line, "sku": sku, "location": location}

    def on_po(self, action: str, *rest: str) -> object:
        if action == "LIST":
            return [_purchase("PO-12")]
        header = {"reference": "", "by": "all", "reason": "", "ended_by": ""}
        return _purchase(rest[0]) | header | {"lines": [LINE]}

    def on_transfer(self, action: str, *rest: str) -> object:
        if action == "LIST":
            return [_transfer("T-7")]
        if action in {"RECEIVE", "LOSE"}:
            key, transfer, sku, quantity, *_ = rest
            return {
                "key": key,
                "transfer": transfer,
                "sku": sku,
                "location": "store",
                "quantity": int(quantity),
                "on_hand": 7,
            }
        line = {"sku": "A-1", "sent": 12, "arrived": 10, "lost": 1, "open": 1}
        return _transfer(rest[0]) | {"reason": "", "reference": "", "by": "all", "lines": [line]}


def _sums(names: Sequence[str]) -> dict[str, int]:
    return {f"units_{name}": 1 for name in names}


def _purchase(document: str) -> dict[str, Any]:
    header = {"purchase_order": document, "state": "partly_received", "location": "main", "supplier": "Mug Works"}
    instants = {"expected_at": None, "ordered_at": NOW, "changed_at": NOW}
    return header | instants | _sums(("ordered", "received", "open", "over"))


def _transfer(document: str) -> dict[str, Any]:
    header = {"transfer": document, "state": "in_transit", "source": "main", "target": "store"}
    instants = {"expected_at": None, "sent_at": NOW, "changed_at": NOW}
    return header | instants | _sums(("sent", "arrived", "lost", "open"))
