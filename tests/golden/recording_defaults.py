"""`python -m tests.golden.recording_defaults`: writes down what a field of an event is where a journal leaves it out.

To be run when a kind or a field is new. It refuses to change what is on record.
"""

from typing import Any, get_args

import msgspec

from engine.domain.events import Event
from tests.golden.recording import FOLDER

FILE = FOLDER / "event-defaults.json"

Defaults = dict[str, dict[str, Any]]
"""By kind and field."""


def list_defaults() -> Defaults:
    """Return the defaults of today's program, as JSON has them."""
    return {
        str(kind.__struct_config__.tag): {
            field.name: msgspec.json.decode(msgspec.json.encode(field.default))
            for field in msgspec.structs.fields(kind)
            if field.default is not msgspec.NODEFAULT
        }
        for kind in sorted(get_args(Event), key=lambda kind: str(kind.__struct_config__.tag))
    }


def read_defaults() -> Defaults:
    """Return what is on record."""
    return msgspec.json.decode(FILE.read_bytes(), type=Defaults)


def find_changed(recorded: Defaults, today: Defaults) -> list[str]:
    """Name what old journals would be read differently for: a default that is another one, or gone."""
    return [
        f"{kind}.{field}: {default!r} became {today.get(kind, {}).get(field, 'no default')!r}"
        for kind, fields in recorded.items()
        for field, default in fields.items()
        if field not in today.get(kind, {}) or today[kind][field] != default
    ]


if __name__ == "__main__":
    changed = find_changed(read_defaults(), list_defaults()) if FILE.exists() else []
    if changed:
        raise SystemExit("\n".join(changed))
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(list_defaults()), indent=1) + b"\n")
