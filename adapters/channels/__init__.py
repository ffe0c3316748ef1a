"""One package per sales channel: `wire` (structs), `protocol` (pure: build, parse, sign), `client` (moves bytes)."""
