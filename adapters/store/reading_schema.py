"""The tables that people read, as SQLite makes them. docs/sql.md says what each column means."""

from typing import Final

SCHEMA_VERSION: Final = 3
"""Raised with every change of a table here, or of what its rows mean: tables of an older version are made anew."""
APPLICATION_ID: Final = 0x6C756E72
"""`lunr`: tells our file from any other SQLite database."""

TABLES: Final = """
CREATE TABLE progress (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,
    written_at TEXT NOT NULL,
    digest INTEGER NOT NULL
) STRICT;

CREATE TABLE orders (
    account TEXT NOT NULL,
    order_id TEXT NOT NULL,
    status TEXT NOT NULL,
    channel_status TEXT NOT NULL,
    placed_at TEXT NOT NULL,
    modified_at TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    held_until TEXT,
    lines INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (account, order_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_lines (
    account TEXT NOT NULL,
    order_id TEXT NOT NULL,
    line_id TEXT NOT NULL,
    sku TEXT,
    pack_units INTEGER NOT NULL,
    listing_id TEXT,
    channel_sku TEXT,
    ordered INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    shipped INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    pickup_location TEXT,
    PRIMARY KEY (account, order_id, line_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE allocations (
    sku TEXT NOT NULL,
    account TEXT NOT NULL,
    order_id TEXT NOT NULL,
    line_id TEXT NOT NULL,
    location TEXT NOT NULL,
    committed INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    shipped INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    expires_at TEXT,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (sku, account, order_id, line_id, location)
) STRICT, WITHOUT ROWID;

CREATE TABLE sales (
    sku TEXT NOT NULL,
    account TEXT NOT NULL,
    order_id TEXT NOT NULL,
    line_id TEXT NOT NULL,
    day TEXT NOT NULL,
    units INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    bundle TEXT,
    in_one INTEGER NOT NULL,
    PRIMARY KEY (sku, account, order_id, line_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
    position INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at TEXT NOT NULL,
    sku TEXT NOT NULL,
    location TEXT NOT NULL,
    kind TEXT NOT NULL,
    on_hand INTEGER NOT NULL,
    committed INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    quality_hold INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    display INTEGER NOT NULL,
    safety_stock INTEGER NOT NULL,
    incoming INTEGER NOT NULL,
    in_transit INTEGER NOT NULL,
    account TEXT,
    order_id TEXT,
    line_id TEXT,
    hold_id TEXT,
    document TEXT,
    key TEXT,
    by TEXT,
    reason TEXT,
    reference TEXT,
    unavailable INTEGER AS (quality_hold + damaged + display)
) STRICT;

CREATE TABLE stock (
    sku TEXT NOT NULL,
    location TEXT NOT NULL,
    on_hand INTEGER NOT NULL,
    committed INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    quality_hold INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    display INTEGER NOT NULL,
    safety_stock INTEGER NOT NULL,
    incoming INTEGER NOT NULL,
    in_transit INTEGER NOT NULL,
    unavailable INTEGER AS (quality_hold + damaged + display),
    atp INTEGER AS (on_hand - committed - reserved - quality_hold - damaged - display - safety_stock),
    PRIMARY KEY (sku, location)
) STRICT, WITHOUT ROWID;

CREATE TABLE stocked (
    sku TEXT NOT NULL,
    position INTEGER NOT NULL,
    since_at TEXT NOT NULL,
    until_at TEXT,
    PRIMARY KEY (sku, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE skus (
    sku TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    bundle INTEGER NOT NULL,
    added_at TEXT,
    retired_at TEXT,
    merged_into TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
    hold_id TEXT NOT NULL,
    sku TEXT NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    account TEXT NOT NULL,
    units INTEGER NOT NULL,
    decided_at TEXT NOT NULL,
    places TEXT NOT NULL,
    location TEXT,
    expires_at TEXT,
    ended_at TEXT,
    order_id TEXT,
    atp INTEGER,
    PRIMARY KEY (hold_id, sku, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
    sku TEXT NOT NULL,
    location TEXT NOT NULL,
    position INTEGER NOT NULL,
    number INTEGER NOT NULL,
    recorded_at TEXT NOT NULL,
    units INTEGER NOT NULL,
    open_units INTEGER NOT NULL,
    account TEXT,
    order_id TEXT,
    cause TEXT NOT NULL,
    detail TEXT NOT NULL,
    cleared_at TEXT,
    PRIMARY KEY (sku, location, position, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE listings (
    account TEXT NOT NULL,
    listing_id TEXT NOT NULL,
    sku TEXT NOT NULL,
    pack_units INTEGER NOT NULL,
    source TEXT NOT NULL,
    mapped_at TEXT NOT NULL,
    dropped_at TEXT,
    PRIMARY KEY (account, listing_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE pushes (
    account TEXT NOT NULL,
    listing_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    basis INTEGER NOT NULL,
    planned_at TEXT NOT NULL,
    terms TEXT NOT NULL,
    verdict TEXT,
    reason TEXT,
    settled_at TEXT,
    verified_at TEXT,
    verified_shown INTEGER,
    drifts INTEGER NOT NULL,
    drift_at TEXT,
    drift_shown INTEGER,
    drift_expected INTEGER,
    verified_seconds REAL AS (round((julianday(verified_at) - julianday(planned_at)) * 86400, 3)),
    PRIMARY KEY (account, listing_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE purchase_lines (
    purchase_order TEXT NOT NULL,
    sku TEXT NOT NULL,
    location TEXT NOT NULL,
    ordered INTEGER NOT NULL,
    ordered_at TEXT NOT NULL,
    received INTEGER NOT NULL,
    expected_at TEXT,
    supplier TEXT NOT NULL,
    ended_at TEXT,
    cancelled INTEGER NOT NULL,
    forgotten_at TEXT,
    position INTEGER NOT NULL,
    PRIMARY KEY (purchase_order, position, sku)
) STRICT, WITHOUT ROWID;

CREATE TABLE transfer_lines (
    transfer TEXT NOT NULL,
    sku TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    sent INTEGER NOT NULL,
    sent_at TEXT NOT NULL,
    arrived INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    expected_at TEXT,
    forgotten_at TEXT,
    position INTEGER NOT NULL,
    PRIMARY KEY (transfer, position, sku)
) STRICT, WITHOUT ROWID;

CREATE VIEW demand AS
SELECT
    sku,
    account,
    day,
    sum(units) AS units,
    sum(CASE WHEN bundle IS NULL THEN 0 ELSE units END) AS units_in_bundles
FROM sales
WHERE units > 0
GROUP BY sku, account, day;

CREATE VIEW stocked_days AS
WITH RECURSIVE spans (sku, since_at, until_at, day) AS (
    SELECT sku, since_at, coalesce(until_at, (SELECT written_at FROM progress)), date(since_at) FROM stocked
    UNION ALL
    SELECT sku, since_at, until_at, date(day, '+1 day') FROM spans WHERE day < date(until_at)
)
SELECT
    sku,
    day,
    round(sum(julianday(min(until_at, date(day, '+1 day'))) - julianday(max(since_at, day))) * 86400, 3) AS seconds
FROM spans
GROUP BY sku, day;
"""
"""Instants are texts in UTC, `2026-11-11 14:03:07.000000`, as SQLite's own functions write them."""

INDEXES: Final = """
CREATE INDEX ledger_by_sku ON ledger (sku);
CREATE INDEX orders_by_day ON orders (placed_at);
CREATE INDEX order_lines_by_sku ON order_lines (sku);
CREATE INDEX sales_by_day ON sales (day);
"""
"""Made when a new file has all its rows: one sort instead of a search per row."""
