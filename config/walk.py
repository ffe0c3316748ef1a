"""Turn a parsed file into settings, noting every problem on the way instead of stopping at the first."""

import difflib
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import msgspec.inspect as mi

from config.rules import bare, fits, holds_secret, rule_of, show
from config.schema import Secret
from config.secrets import SecretProblem

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_NOTHING: Final = object()
"""No value, not even one to go on with."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where."""

    path: str
    """As in `accounts[1].locations[0]`; empty for the file as a whole."""
    rule: str
    value: str | None = None
    """What stands there, ready to be shown; None when it may not be or there is nothing."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.value, self.rule) if part)


def join(path: str, key: str) -> str:
    """Name `key` inside the table at `path`, as TOML would write it."""
    name = key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{name}" if path else name


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return a hint to append to a message, or an empty text when nothing is near."""
    near = difflib.get_close_matches(wrong[:100], list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def unknown_id(what: str, name: str, known: Iterable[str]) -> str:
    """Say that nothing has this id, what there is, and what was probably meant."""
    listed = sorted(set(known))
    shown = ", ".join(listed[:20]) + (", ..." if len(listed) > 20 else "")
    return f"no {what} has this id (known: {shown or 'none'}){did_you_mean(name, listed)}"


class Walk:
    """Reads values along the schema's types and gathers what is wrong.

    A value that breaks its rule is noted and still used where its type allows, so that checks across sections see what
    the person wrote; else the default, or an empty value, stands in.
    """

    def __init__(self, secret: Callable[[str, str], Secret]) -> None:
        """Resolve secrets with `secret(option, reference)`, which raises SecretProblem."""
        self.problems: list[Problem] = []
        self._secret = secret

    def read(self, node: mi.Type, value: object, path: str) -> object:
        """Return what `value` means, or `_NOTHING` when it means nothing and its problem is noted."""
        kind = bare(node)
        if value == "" and isinstance(node, mi.UnionType) and not holds_secret(kind):
            return None  # TOML has no null: an empty text switches an optional text off
        match kind:
            case mi.StructType(tag_field=None):
                return self._table(kind, value, path)
            case mi.StructType():
                return self._tagged((kind,), value, path)
            case mi.UnionType(types=types):
                return self._tagged(tuple(t for t in types if isinstance(t, mi.StructType)), value, path)
            case mi.VarTupleType():
                return self._list(kind, value, path)
            case mi.DictType():
                return self._dict(kind, value, path)
            case mi.CustomType() if holds_secret(kind):
                return self._reference(value, path)
            case _:
                return self._single(node, value, path)

    def _note(self, path: str, rule: str, value: str | None = None) -> None:
        self.problems.append(Problem(path, rule, value))

    def _table(self, node: mi.StructType, value: object, path: str) -> object:
        if not isinstance(value, dict):
            self._note(path, "must be a table")  # the value may be a secret in the wrong place
            return _NOTHING
        names = {field.encode_name for field in node.fields} | ({node.tag_field} if node.tag_field else set())
        for key in value:
            if key not in names:  # the value stays unsaid: it may be a secret under a misspelt name
                hint = did_you_mean(key, names) or f" (known: {', '.join(sorted(names))})"
                self._note(join(path, key), f"no such option{hint}")
        found: dict[str, object] = {}
        for field in node.fields:
            where = join(path, field.encode_name)
            got = _NOTHING
            if field.encode_name in value:
                got = self.read(field.type, value[field.encode_name], where)
            elif field.required:
                self._note(where, f"missing; must be {rule_of(field.type)}")
            if got is _NOTHING and field.required:
                got = _empty(field.type)
            if got is not _NOTHING:
                found[field.name] = got
        made: object = node.cls(**found)
        return made

    def _tagged(self, nodes: tuple[mi.StructType, ...], value: object, path: str) -> object:
        if not isinstance(value, dict):
            return self._table(nodes[0], value, path)
        field, tags = str(nodes[0].tag_field), {str(node.tag): node for node in nodes}
        tag = value.get(field)
        if isinstance(tag, str) and tag in tags:
            return self._table(tags[tag], value, path)
        known = "must be " + rule_of(mi.LiteralType(tuple(tags)))
        if tag is None:
            self._note(join(path, field), f"missing; {known}")
        else:
            self._note(join(path, field), known + did_you_mean(str(tag), tags), show(tag))
        return self._table(nodes[0], value, path) if len(nodes) == 1 else _NOTHING

    def _list(self, node: mi.VarTupleType, value: object, path: str) -> object:
        if not isinstance(value, list):
            self._note(path, f"must be {rule_of(node)}")
            return _NOTHING
        if len(value) < (node.min_length or 0):
            self._note(path, "must not be empty")
        items = [self.read(node.item_type, item, f"{path}[{n}]") for n, item in enumerate(value)]
        return tuple(item for item in items if item is not _NOTHING)

    def _dict(self, node: mi.DictType, value: object, path: str) -> object:
        if not isinstance(value, dict):
            self._note(path, f"must be {rule_of(node)}")
            return _NOTHING
        items = {key: self.read(node.value_type, item, join(path, key)) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not _NOTHING}

    def _reference(self, value: object, path: str) -> Secret:
        if not isinstance(value, str):
            self._note(path, 'must be "env:NAME" or "file:path"')
            return Secret("")
        try:
            return self._secret(path.rpartition(".")[2], value)
        except SecretProblem as problem:
            self._note(path, str(problem))
            return Secret("")

    def _single(self, node: mi.Type, value: object, path: str) -> object:
        kind = bare(node)
        if fits(node, value):
            match kind, value:
                case mi.CustomType(), str():
                    return Path(value)
                case mi.FloatType(), int() | float():
                    return float(value)
                case _:
                    return value
        hint = did_you_mean(str(value), map(str, kind.values)) if isinstance(kind, mi.LiteralType) else ""
        self._note(path, f"must be {rule_of(node)}{hint}", show(value))
        right_type = str if isinstance(kind, mi.StrType) else int if isinstance(kind, mi.IntType) else ()
        return value if isinstance(value, right_type) else _NOTHING


def _empty(node: mi.Type) -> object:
    """Return what stands in for a required value, so that the rest can still be read."""
    match bare(node):
        case mi.VarTupleType():
            return ()
        case mi.CustomType():
            return Secret("")
        case mi.StrType():
            return ""
        case mi.FloatType():
            return 0.0
        case mi.DateTimeType():
            return datetime.min.replace(tzinfo=UTC)
        case _:
            raise AssertionError("a new kind of required option needs a stand-in")
