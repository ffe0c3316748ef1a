"""A daemon's command socket without a daemon: in memory, obedient, and broken on request.

It keeps just enough truth to answer every command of `docs/socket.md` that the gateway sends: a hold takes units, a
repeat answers as the first time, a delivery is stored once. `python -m tests.fakes.daemon PATH` serves one by hand.
"""

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import hiredis
import msgspec

from tests.fakes.daemon_movements import FakeMovements

NOW = "2026-11-11T12:00:00.000000Z"
LATER = "2026-11-11T12:15:00.000000Z"
METRICS = "# HELP lastunit_holds_total Holds.\n# TYPE lastunit_holds_total counter\nlastunit_holds_total 7.0\n"

Answer = object
"""Text, number, bool, None, list or map; `Refusal` for an error reply, `Status` for `+OK`."""


class Refusal(str):
    """An error reply: `CODE text`."""

    __slots__ = ()


class Status(str):
    """A simple string: `OK`, `STORED`."""

    __slots__ = ()


class FakeDaemon(FakeMovements):
    """Serves a unix socket (or TCP with a password) from a thread of its own until the `with` ends."""

    def __init__(self, path: Path | None = None, *, password: str | None = None) -> None:
        self.path = path
        self.port = 0
        self.password = password
        self.commands: list[tuple[str, ...]] = []
        """Everything received, handshakes left out."""
        self.scripted: dict[str, list[Answer]] = {}
        """Answers that take precedence, by command name; each is used once."""
        self.silent: set[str] = set()
        """Commands that are received and never answered."""
        self.gates: dict[str, threading.Event] = {}
        """Commands that stop the whole daemon until their event is set, as a stalled disk would."""
        self.keep_log = True
        self.refused_logins = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None
        self._clients: set[asyncio.BaseTransport] = set()
        self.reset()

    def reset(self) -> None:
        """Forget everything; one SKU `A-1` with ten units in `main`, and one with an awkward name."""
        self.units = {"A-1": 10, "a/b c/ü": 3, "B-2": 5}
        self.holds: dict[str, dict[str, Any]] = {}
        self.keyed: dict[str, dict[str, Any]] = {}
        self.orders: dict[tuple[str, str], dict[str, Any]] = {}
        self.deliveries: dict[tuple[str, str], tuple[str, str]] = {}
        self.paused: set[str] = set()
        self.commands.clear()
        self.scripted.clear()
        self.silent.clear()
        self.gates.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; return when connections are taken."""
        listening = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(listening),), daemon=True)
        self._thread.start()
        assert listening.wait(5)

    def stop(self) -> None:
        """Close the socket and every connection."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(5)
            self._thread = None
            if self.path is not None:
                self.path.unlink(missing_ok=True)

    def drop_clients(self) -> None:
        """Cut every connection as a crash would."""
        assert self._loop is not None
        for client in list(self._clients):
            self._loop.call_soon_threadsafe(client.close)

    def script(self, command: str, *answers: Answer) -> None:
        """Answer the next commands of this name so."""
        self.scripted.setdefault(command, []).extend(answers)

    def count(self, command: str) -> int:
        """How many commands of this name came in."""
        return Counter(words[0] for words in self.commands)[command]

    def answer(self, words: Sequence[str]) -> Answer:
        """Answer one command from memory."""
        handler = getattr(self, f"on_{words[0].lower()}", None)
        return Refusal(f"ERR unknown command {words[0]!r}") if handler is None else handler(*words[1:])

    def on_hold(self, hold: str, ttl: str, *rest: str) -> Answer:
        lines, options = _split_options(rest)
        if hold in self.holds:
            known = self.holds[hold]
            return (
                known["answer"] if known["words"] == (ttl, *rest) else Refusal(f"CONFLICT hold {hold} has other lines")
            )
        asked: Counter[str] = Counter()
        for sku, text in zip(lines[::2], lines[1::2], strict=True):
            asked[sku] += int(text)
        for sku, quantity in asked.items():
            if sku not in self.units:
                return Refusal(f"NOSUCHSKU {sku}")
            if quantity > self.units[sku]:
                return Refusal(f"OUTOFSTOCK sku={sku} requested={quantity} atp={self.units[sku]}")
        self.units = {sku: units - asked[sku] for sku, units in self.units.items()}
        at = options.get("AT", "main")
        answer = {
            "hold": hold,
            "expires_at": None if ttl == "NEVER" else LATER,
            "lines": [{"sku": sku, "location": at, "quantity": quantity} for sku, quantity in asked.items()],
        }
        account = options.get("CHANNEL", "direct")
        self.holds[hold] = {"words": (ttl, *rest), "answer": answer, "state": "held", "order": None, "account": account}
        return answer

    def on_commit(self, hold: str, *order: str) -> Answer:
        return self._end_hold(hold, "committed", {"order": order[1] if order else None, "committed_at": NOW})

    def on_release(self, hold: str) -> Answer:
        return self._end_hold(hold, "released", {"released_at": NOW})

    def on_lookup(self, hold: str) -> Answer:
        if hold not in self.holds:
            return Refusal(f"NOSUCHHOLD {hold}")
        known = self.holds[hold]
        return known["answer"] | {name: known[name] for name in ("state", "account", "order")}

    def on_adjust(self, key: str, sku: str, location: str, delta: str, reason: str, *options: str) -> Answer:
        return self._move(key, sku, location, "delta", int(delta))

    def on_receive(self, key: str, sku: str, location: str, quantity: str, *options: str) -> Answer:
        return self._move(key, sku, location, "quantity", int(quantity))

    def on_stock(self, sku: str) -> Answer:
        if sku not in self.units:
            return Refusal(f"NOSUCHSKU {sku}")
        aside = ("unavailable", "quality_hold", "damaged", "display")
        names = ("committed", "reserved", *aside, "safety_stock", "incoming", "in_transit")
        figures = {"on_hand": self.units[sku], **dict.fromkeys(names, 0), "atp": self.units[sku]}
        here = {"location": "main", **figures}
        more = {"oversold": 0, "shortages": [], "holds": len(self.holds), "locations": [here], "documents": []}
        return {"sku": sku, "name": f"Thing {sku}", **figures, **more}

    def on_offers(self, sku: str) -> Answer:
        if sku not in self.units:
            return Refusal(f"NOSUCHSKU {sku}")
        offer = {"account": "shop", "listing": "product:1", "offer": 2, "shown": None, "state": "dirty", "version": 1}
        return {"sku": sku, "offers": [offer | dict.fromkeys(("sent_at", "accepted_at", "verified_at", "reason"))]}

    def on_explain(self, sku: str, account: str | None = None) -> Answer:
        stock = self.on_stock(sku)
        return stock | {"open_holds": [], "demand": [], "offers": []} if isinstance(stock, dict) else stock

    def on_order(self, account: str, order: str) -> Answer:
        return self.orders.get((account, order), Refusal(f"NOSUCHORDER {account} {order}"))

    def on_orders(self, *words: str) -> Answer:
        account = words[0] if words and words[0] != "LIMIT" else None
        names = ("account", "order", "status", "placed_at", "modified_at")
        rows = [
            {name: order[name] for name in names} | {"units_open": 1}
            for order in self.orders.values()
            if account in {None, order["account"]}
        ]
        return rows[: int(words[-1])]

    def on_record(self, text: str) -> Answer:
        told = msgspec.json.decode(text)
        name = (told["account"], told["order_id"])
        outcome = "repeat" if name in self.orders else "newer"
        lines = [
            {
                "line": line["line_id"],
                **{name: line[name] for name in ("sku", "ordered", "cancelled", "shipped", "returned")},
                "open": line["ordered"] - line["cancelled"] - line["shipped"],
                "allocation": [],
            }
            for line in told["lines"]
        ]
        self.orders[name] = {**told, "order": name[1], "lines": lines}
        return {"account": name[0], "order": name[1], "outcome": outcome}

    def on_incidents(self, *words: str) -> Answer:
        row = {"sku": "A-1", "units": 1, "account": "shop", "order": "7", "cause": "lag", "detail": None}
        return [row | {"at": NOW, "cleared_at": None}]

    def on_alerts(self, *words: str) -> Answer:
        return [self._alert(17, "raised")]

    def on_alert(self, action: str, number: str, *words: str) -> Answer:
        if number != "17":
            return Refusal(f"NOSUCHALERT alert={number}")
        return self._alert(17, "resolved" if action == "RESOLVE" else "acknowledged")

    def _alert(self, number: int, state: str) -> dict[str, Any]:
        ends = dict.fromkeys(("acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by", "how"))
        words = {"kind": "oversell", "subject": "A-1", "severity": "critical", "text": "A-1: 2 promised too many"}
        return {"alert": number, "state": state, **words, "details": {"sku": "A-1"}, "raised_at": NOW, **ends} | {
            "suppressed": 0,
            "suppressed_since": None,
        }

    def on_webhook(self, account: str, key: str, headers: str, body: str) -> Answer:
        if (account, key) in self.deliveries:
            return Status("REPEAT")
        if self.keep_log:
            self.deliveries[account, key] = (headers, body)
        return Status("STORED")

    def on_channel(self, action: str, account: str = "") -> Answer:
        if action == "LIST":
            state = "paused" if "shop" in self.paused else "live"
            row = {"account": "shop", "channel": "woocommerce", "mode": "live", "state": state, "reason": None}
            counts = ("dirty", "in_flight", "accepted", "drifted", "refused", "unmatched")
            return [row | {"listings": 2, **dict.fromkeys(counts, 0), "orders_through": NOW, "lag_seconds": 0.5}]
        if account != "shop":
            return Refusal(f"NOSUCHACCOUNT {account}")
        if action == "PAUSE":
            self.paused.add(account)
        if action == "RESUME":
            self.paused.discard(account)
        return Status("OK")

    def on_health(self) -> Answer:
        return {"ready": True, "journal": "ok", "accounts": [{"account": "shop", "state": "live", "reason": None}]}

    def on_metrics(self) -> Answer:
        return METRICS

    def on_hello(self, *words: str) -> Answer:
        if self.password is not None and self.password not in words:
            self.refused_logins += 1
            return Refusal("WRONGPASS wrong password")
        return {"server": "lastunit", "proto": 3}

    def _end_hold(self, hold: str, state: str, more: dict[str, Any]) -> Answer:
        if hold not in self.holds:
            return Refusal(f"NOSUCHHOLD {hold}")
        known = self.holds[hold]
        if known["state"] not in {"held", state}:
            return Refusal(f"{known['state'].upper()} hold {hold}")
        known["state"] = state
        known["order"] = more.get("order")
        return {"hold": hold, **more}

    def _move(self, key: str, sku: str, location: str, word: str, units: int) -> Answer:
        if key in self.keyed:
            return self.keyed[key]
        if sku not in self.units:
            return Refusal(f"NOSUCHSKU {sku}")
        if self.units[sku] + units < 0:
            return Refusal(f"NEGATIVE {sku} would be {self.units[sku] + units}")
        self.units[sku] += units
        self.keyed[key] = {"key": key, "sku": sku, "location": location, word: units, "on_hand": self.units[sku]}
        return self.keyed[key]

    async def _serve(self, listening: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        if self.path is not None:
            self._server = await self._loop.create_unix_server(lambda: _Client(self), str(self.path))
        else:
            self._server = await self._loop.create_server(lambda: _Client(self), "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        listening.set()
        await self._stopping.wait()
        self._server.close()
        for client in list(self._clients):
            client.close()
        await asyncio.sleep(0)


class _Client(asyncio.Protocol):
    """One connection: whole reads in, whole batches of answers out."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon
        self._reader = hiredis.Reader(encoding="utf-8", errors="surrogateescape")
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._daemon._clients.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self._daemon._clients.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._reader.feed(data)
        out = []
        while (words := self._reader.gets()) is not False:
            answer = self._take(words)
            if answer is not _SILENCE:
                out.append(encode(answer))
        if out:
            self._transport.write(b"".join(out))

    def _take(self, words: list[str]) -> Answer:
        daemon, name = self._daemon, words[0]
        if daemon.keep_log and name != "HELLO":
            daemon.commands.append(tuple(words))
        if name in daemon.gates:
            daemon.gates[name].wait(10)
        if name in daemon.silent:
            return _SILENCE
        scripted = daemon.scripted.get(name)
        return scripted.pop(0) if scripted else daemon.answer(words)


_SILENCE = object()


def encode(answer: Answer) -> bytes:
    """Build a RESP3 reply."""
    match answer:
        case Refusal():
            return b"-%b\r\n" % " ".join(answer.splitlines()).encode()  # an error is one line
        case Status():
            return f"+{answer}\r\n".encode()
        case str():
            raw = answer.encode()
            return b"$%d\r\n%b\r\n" % (len(raw), raw)
        case bytes():  # as it is: for replies that are not RESP
            return answer
        case None:
            return b"_\r\n"
        case bool():
            return b"#t\r\n" if answer else b"#f\r\n"
        case int():
            return b":%d\r\n" % answer
        case float():
            return f",{answer}\r\n".encode()
        case Mapping():
            parts = [encode(part) for pair in answer.items() for part in pair]
            return b"%%%d\r\n" % len(answer) + b"".join(parts)
        case list() | tuple():
            return b"*%d\r\n" % len(answer) + b"".join(map(encode, answer))
        case _:
            raise AssertionError(f"no RESP for {answer!r}")


def _split_options(rest: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Options stand in pairs after the lines."""
    lines, options = list(rest), dict[str, str]()
    while len(lines) >= 2 and lines[-2] in {"CHANNEL", "AT"}:
        options[lines[-2]] = lines[-1]
        del lines[-2:]
    return lines, options


if __name__ == "__main__":
    fake = FakeDaemon(Path(sys.argv[1]))
    fake.keep_log = False
    with fake:
        threading.Event().wait()
