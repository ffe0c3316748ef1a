"""The tables of docs/telemetry.md and the alert rules say what the code says, both ways."""

import ast
import functools
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import trio.testing
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from engine.actors.mailbox import Mailbox
from engine.domain.events import OrdersCaughtUp
from ops.gateway.client import Address, DaemonClient
from ops.gateway.telemetry import Telemetry as GatewayTelemetry
from ops.node import Node
from ops.telemetry.metrics import Telemetry
from tests.unit.test_telemetry_metrics import NOW, SHOP, FrozenClock, hear_everything
from tests.unit.test_telemetry_scrape import run_with_node

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "telemetry.md").read_text()
PROMETHEUS = ROOT / "ops" / "deploy" / "prometheus"
LINUX = Path("/proc/self/stat").exists()

_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
_EVENT = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")


class Shown(NamedTuple):
    """A metric family as scraped, or as the table has it."""

    type: str
    labels: frozenset[str]


class Written(NamedTuple):
    """A log event as the code writes it, or as the table has it."""

    levels: frozenset[str]
    fields: frozenset[str]


def rows_of(heading: str) -> Iterator[list[str]]:
    """Cells of every table row whose first cell is code, under a heading of the second level."""
    section = DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) > 3:
            yield cells


def words_of(cell: str) -> frozenset[str]:
    return frozenset(word for word in re.split(r",\s*", cell) if word)


def documented_metrics() -> dict[str, Shown]:
    table = {cells[0].strip("`"): Shown(cells[1], words_of(cells[2])) for cells in rows_of("Metrics")}
    return {name: shown for name, shown in table.items() if LINUX or not name.startswith("lastunit_process_")}


def scraped(text: str) -> dict[str, Shown]:
    shown: dict[str, Shown] = {}
    for family in text_string_to_metric_families(text):
        if family.type == "gauge" and family.name.endswith("_created"):
            continue  # the gateway's process has the library leave these out, as it starts
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert family.samples, f"{name}: the test has not moved it"
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert name not in shown, f"{name} comes twice"
        shown[name] = Shown(family.type, frozenset(labels))
    return shown


def watched_in_code() -> Iterator[str]:
    """Names given to `telemetry.watch` in the composition root."""
    for source in (path.read_text() for path in (ROOT / "ops").rglob("*.py")):
        for node in ast.walk(ast.parse(source)) if "telemetry.watch(" in source else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "telemetry.watch":
                assert isinstance(node.args[0], ast.Constant), f"{ast.unparse(node)}: the name is not a literal"
                yield str(node.args[0].value)


async def scrape_daemon() -> str:
    telemetry = Telemetry(CollectorRegistry(), clock=FrozenClock())
    hear_everything(telemetry)
    mailbox: Mailbox[int] = Mailbox("shard-0", 1)
    telemetry.watch_mailbox(mailbox)
    for name in watched_in_code():
        telemetry.watch(name, "Help.", lambda: 0.0)
    text = ""

    async def use(node: Node) -> None:
        nonlocal text
        telemetry.watch_node(node)
        node.accounts[SHOP].intake.apply(OrdersCaughtUp(at=NOW, account=SHOP, through_at=NOW))
        text = telemetry.exposition()

    await run_with_node(telemetry, use)
    return text


def scrape_gateway() -> str:
    telemetry = GatewayTelemetry(CollectorRegistry(), DaemonClient(Address(host="127.0.0.1", port=1)))
    telemetry.count_request("GET", "/healthz", 200, 0.001)
    telemetry.count_webhook("shop", "stored")
    return telemetry.expose()


@pytest.mark.slow
async def test_every_metric_is_in_the_table_and_the_other_way_round(
    autojump_clock: trio.testing.MockClock,
) -> None:
    daemon, gateway = scraped(await scrape_daemon()), scraped(scrape_gateway())
    assert not daemon.keys() & gateway.keys(), "one scrape shows both: a family may come once only"
    assert documented_metrics() == daemon | gateway


def test_no_metric_is_documented_twice() -> None:
    names = [cells[0] for cells in rows_of("Metrics")]
    assert sorted(names) == sorted(set(names))


# -- log events


class _Found(NamedTuple):
    event: str
    levels: frozenset[str]
    fields: frozenset[str]
    whole: bool
    """False: more fields may come that the source does not show."""
    where: str


def _levels_in(node: ast.AST) -> frozenset[str]:
    return frozenset(
        "error" if each.attr == "exception" else each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and each.attr in _LEVELS and isinstance(each.value, ast.Name)
    )


def find_events(source: str, where: str = "") -> Iterator[_Found]:
    """Find `log.info("noun.verb", field=...)`, through a name or a `partial` too, and `log(level, "noun.verb")`."""
    tree = ast.parse(source)
    named = {
        target.id: levels
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and (levels := _levels_in(node.value)) and not isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        said = [node.func, *node.args]
        for way, event in pairwise(said):
            if not (isinstance(event, ast.Constant) and isinstance(event.value, str) and _EVENT.fullmatch(event.value)):
                continue
            any_level = isinstance(node.func, ast.Attribute) and node.func.attr == "log"
            direct = isinstance(way, ast.Attribute) and way.attr in _LEVELS
            levels = _levels_in(way) if direct else named.get(ast.unparse(way), frozenset())
            if levels or any_level:
                fields = frozenset(word.arg for word in node.keywords if word.arg is not None) - {"exc_info"}
                whole = way is node.func and all(word.arg is not None for word in node.keywords)
                yield _Found(event.value, levels, fields, whole, f"{where}:{node.lineno}")


@functools.cache
def events_in_code() -> tuple[_Found, ...]:
    sources = {
        path: path.read_text() for folder in ("engine", "adapters", "ops") for path in (ROOT / folder).rglob("*.py")
    }
    return tuple(
        found
        for path, source in sorted(sources.items())
        if "get_logger(" in source
        for found in find_events(source, str(path.relative_to(ROOT)))
    )


def documented_events() -> dict[str, Written]:
    return {cells[0].strip("`"): Written(words_of(cells[1]), words_of(cells[2])) for cells in rows_of("Log events")}


@pytest.mark.slow
def test_every_log_event_is_in_the_table_and_the_other_way_round() -> None:
    in_code = {found.event: found.where for found in events_in_code()}
    documented = documented_events()
    missing = {event: where for event, where in in_code.items() if event not in documented}
    assert not missing, "in the code, not in docs/telemetry.md"
    assert not documented.keys() - in_code.keys(), "in docs/telemetry.md, not in the code"


def test_levels_and_fields_are_those_of_the_table() -> None:
    found = events_in_code()
    for event, documented in documented_events().items():
        ways = [each for each in found if each.event == event]
        where = f"{event} ({', '.join(each.where for each in ways)})"
        levels = frozenset[str]().union(*(each.levels for each in ways))
        fields = frozenset[str]().union(*(each.fields for each in ways))
        assert levels == documented.levels, where
        if all(each.whole for each in ways):
            assert fields == documented.fields, where
        else:
            assert fields <= documented.fields, where


def test_no_log_event_is_documented_twice() -> None:
    names = [cells[0] for cells in rows_of("Log events")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('log.info("a.b", x=1)', ("a.b", {"info"}, {"x"}, True)),
        ('log.exception("a.b", **more)', ("a.b", {"error"}, set(), False)),
        ('partial(log.warning, "a.b", x=1)', ("a.b", {"warning"}, {"x"}, False)),
        ('write = log.debug if quiet else log.info\nwrite("a.b", x=1)', ("a.b", {"debug", "info"}, {"x"}, True)),
        ('get_logger().log(level, "a.b", x=1, exc_info=e)', ("a.b", set(), {"x"}, False)),
    ],
)
def test_the_scan_sees_every_way_to_log(source: str, expected: tuple[Any, ...]) -> None:
    [found] = find_events(source)
    assert found[:4] == expected


@pytest.mark.parametrize("source", ['Path("lastunit.toml")', 'log.info("text without a verb")', 'join("a.b", log.x)'])
def test_the_scan_takes_nothing_else_for_an_event(source: str) -> None:
    assert list(find_events(source)) == []


# -- Prometheus


def expressions() -> dict[str, str]:
    rules = msgspec.yaml.decode((PROMETHEUS / "alerts.yml").read_bytes())
    found = [rule for group in rules["groups"] for rule in group["rules"]]
    assert all(rule["labels"]["severity"] in {"critical", "warning"} for rule in found)
    assert all(rule["annotations"]["summary"] for rule in found)
    assert len({rule["alert"] for rule in found}) == len(found)
    return {rule["alert"]: rule["expr"] for rule in found}


def test_alerts_name_metrics_and_labels_that_exist() -> None:
    metrics = documented_metrics()
    target = {"instance", "job", "node", "le"}
    series = {
        name + suffix: shown.labels
        for name, shown in metrics.items()
        for suffix in (("_bucket", "_sum", "_count") if shown.type == "histogram" else ("",))
    } | {"up": frozenset[str]()}
    for alert, expression in expressions().items():
        used = re.findall(r"\b(lastunit_\w+|up\b)(?:\{([^}]*)\})?", expression)
        assert used, alert
        labels = set[str]()
        for name, matchers in used:
            assert name in series, f"{alert} uses {name}"
            matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert matched <= series[name] | target, f"{alert}: {name} has no {matched - series[name]}"
            labels |= series[name]
        grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
        assert words_of(", ".join(grouped)) <= labels | target, alert
        assert expression.count("(") == expression.count(")"), alert
        assert expression.count("{") == expression.count("}"), alert


def test_alerts_rate_counters_and_compare_gauges() -> None:
    metrics = documented_metrics()
    for alert, expression in expressions().items():
        for name in re.findall(r"(?:rate|increase)\((\w+)", expression):
            base = re.sub(r"_(?:bucket|sum|count)$", "", name)
            assert metrics.get(name, metrics.get(base, Shown("", frozenset()))).type in {"counter", "histogram"}, alert


def test_examples_in_the_document_name_metrics_that_exist() -> None:
    known = {
        name + suffix
        for name, shown in documented_metrics().items()
        for suffix in (("", "_bucket", "_sum", "_count") if shown.type == "histogram" else ("",))
    }
    assert LINUX is False or set(re.findall(r"\blastunit_\w+", DOCUMENT)) <= known


def test_the_scrape_configuration_loads_the_alerts() -> None:
    settings = msgspec.yaml.decode((PROMETHEUS / "prometheus.yml").read_bytes())
    assert all((PROMETHEUS / name).exists() for name in settings["rule_files"])
    assert settings["scrape_configs"][0]["metrics_path"] == "/metrics"
    assert {job["job_name"] for job in settings["scrape_configs"]} == {"lastunit"}
