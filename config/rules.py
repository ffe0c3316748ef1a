"""What one value may be: the test and its wording, both read from the schema's types."""

import math
import re
from datetime import date, datetime
from pathlib import Path
from typing import Final

import msgspec.inspect as mi

from config.values import Secret

INTEGER_MAX: Final = 2**63 - 1
"""TOML's integers are 64 bits wide; Python's parser lets longer ones through."""
_SHOWN_MAX: Final = 60
_CREDENTIALS: Final = re.compile(r"//[^/@\s]*@")


def bare(node: mi.Type) -> mi.Type:
    """Take off what changes nothing about the value: descriptions and `| None`."""
    match node:
        case mi.Metadata(type=inner):
            return bare(inner)
        case mi.UnionType(types=types):
            kinds = [kind for kind in types if not isinstance(kind, mi.NoneType)]
            return bare(kinds[0]) if len(kinds) == 1 else node
        case _:
            return node


def rule_of(node: mi.Type) -> str:
    """Say in words what a value of this type must be."""
    match node:
        case mi.Metadata(type=inner, extra_json_schema=schema):
            return str((schema or {}).get("description") or rule_of(inner))
        case mi.BoolType():
            return "true or false"
        case mi.IntType() | mi.FloatType():
            return ("a whole number" if isinstance(node, mi.IntType) else "a number") + _bounds(node)
        case mi.LiteralType(values=values):
            return "one of " * (len(values) > 1) + ", ".join(f'"{value}"' for value in values)
        case mi.StrType():
            return "a text"
        case mi.DateTimeType():
            return "an instant without quotes, with its offset, as in 2026-11-11T00:00:00+08:00"
        case mi.DateType():
            return "a date without quotes, as in 2027-01-31"
        case mi.CustomType(cls=cls):
            return "a path" if cls is Path else '"env:NAME" or "file:path"'
        case mi.VarTupleType(item_type=item, min_length=least):
            return f"a list{' of at least one' if least else ''}: {rule_of(item)}"
        case mi.DictType(value_type=value):
            return f"a table; each value: {rule_of(value)}"
        case mi.UnionType():
            return rule_of(bare(node))
        case _:
            return "a table"


def fits(node: mi.Type, value: object) -> bool:
    """Whether a single value (not a list, table or secret) keeps its rule."""
    match bare(node):
        case mi.BoolType():
            return isinstance(value, bool)
        case mi.IntType() as kind:
            return isinstance(value, int) and not isinstance(value, bool) and _within(kind, value)
        case mi.FloatType() as kind:
            return isinstance(value, int | float) and not isinstance(value, bool) and _within(kind, value)
        case mi.LiteralType(values=values):
            return isinstance(value, str) and value in values
        case mi.StrType(pattern=pattern):
            # fullmatch: `$` alone would let a line break through at the end
            return isinstance(value, str) and (pattern is None or re.fullmatch(pattern, value) is not None)
        case mi.DateTimeType():
            return isinstance(value, datetime) and value.utcoffset() is not None
        case mi.DateType():
            return type(value) is date  # a datetime is one, too
        case mi.CustomType(cls=cls) if cls is Path:
            return isinstance(value, str) and bool(value) and "\0" not in value
        case _:
            return False


def holds_secret(node: mi.Type) -> bool:
    """Whether what was written here may be, or contain, a secret."""
    return isinstance(node, mi.CustomType) and node.cls is Secret


def show(value: object) -> str:
    """Write a value of the file for a message: short, on one line, without credentials of an address."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "a table"
        case list():
            return "a list"
        case str():
            text = repr(_CREDENTIALS.sub("//***@", value))
        case int() if abs(value) > INTEGER_MAX:
            return "a huge number"
        case float() if value.is_integer():
            text = f"{value:.0f}"
        case _:
            text = str(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."


def _bounds(node: mi.IntType | mi.FloatType) -> str:
    # whole bounds print alike, however they are typed: typing gives equal annotations one and the same object
    least, above, most = (
        None if bound is None else str(int(bound) if bound == int(bound) else bound)
        for bound in (node.ge, node.gt, node.le)
    )
    match (least, above, most):
        case (None, None, None):
            return ""
        case (None, above, None):
            return f" above {above}"
        case (None, above, most) if above is not None:
            return f" above {above} and at most {most}"
        case (least, _, None):
            return f" of at least {least}"
        case (least, _, most):
            return f" from {least} to {most}"
    raise AssertionError("a new kind of bound needs words")


def _within(node: mi.IntType | mi.FloatType, value: float) -> bool:
    if not -INTEGER_MAX <= value <= INTEGER_MAX if isinstance(value, int) else not math.isfinite(value):
        return False
    return (
        (node.ge is None or value >= node.ge)
        and (node.gt is None or value > node.gt)
        and (node.le is None or value <= node.le)
    )
