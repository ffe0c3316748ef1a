"""Write `docs/configuration.md` from the schema: `python -m config.reference > docs/configuration.md`."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import msgspec.inspect as mi

from config.rules import bare, rule_of
from config.schema import Settings

REQUIRED: Final = "required"
_OURS: Final = f"{__package__}."
_INTRODUCTION: Final = """\
# Configuration

One TOML file, `lastunit.toml` unless `--config` or `LASTUNIT_CONFIG` says otherwise. `lastunit init` writes a small
one, [`config/example.toml`](../config/example.toml) shows every option with an example, `lastunit check-config` names
every problem of a file at once. A misspelt option is an error, never a default.

- **Secrets** never stand in the file. Write `"env:NAME"` for an environment variable or `"file:path"` for a file of its
  own that other users of the machine cannot read; one newline at its end is ignored.
- **Paths**: `node.data` and `file:` start at the folder of the configuration file; `store.path` and `socket.path` start
  at `node.data`.
- **No value**: TOML has no null. Leave the option out, or write `""` for `socket.path`, which has a default.
"""


class Option(msgspec.Struct, frozen=True):
    """One line that a person may write."""

    name: str
    rule: str
    default: str
    """As TOML; `none` for no value, `REQUIRED` when there is no default."""
    effect: str


class Section(msgspec.Struct, frozen=True):
    """One table of the file."""

    header: str
    """As in `[node]`, `[[accounts]]`, `[offers.skus.<sku>]`."""
    effect: str
    options: tuple[Option, ...]


def sections() -> tuple[Section, ...]:
    """Return every table of the file, in the schema's order."""
    return tuple(_sections("", "", mi.type_info(Settings)))


def as_toml(value: object) -> str:
    """Write a default the way a person would; `none` for no value."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:_}"
        case float():
            return f"{int(value):_}" if value.is_integer() else str(value)
        case str() | Path():
            return f'"{value}"'
        case dict():
            return "{}"
        case tuple():
            return f"[{', '.join(map(as_toml, value))}]"
        case _:
            return "[]"


def render() -> str:
    """Return `docs/configuration.md`."""
    parts = [_INTRODUCTION]
    for section in sections():
        parts.append(f"\n## `{section.header}`\n\n{section.effect}\n")
        parts.append("\n| option | must be | default | effect |\n| --- | --- | --- | --- |\n")
        for option in section.options:
            default = option.default if option.default in {REQUIRED, "none"} else f"`{option.default}`"
            cells = (f"`{option.name}`", option.rule, default, option.effect)
            parts.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n")
    return "".join(parts)


def _sections(path: str, effect: str, node: mi.Type, brackets: str = "[]") -> Iterator[Section]:
    """Yield the table at `path`, if it has options of its own, and the tables inside it."""
    assert isinstance(node, mi.StructType)
    tables, options = [], []
    if node.tag_field:
        kind = mi.LiteralType((str(node.tag),))
        options.append(Option(node.tag_field, rule_of(kind), REQUIRED, f"What kind of {_noun(path)} this is."))
    for field in node.fields:
        where = f"{path}.{field.encode_name}" if path else field.encode_name
        about = _docstrings(node.cls).get(field.name, "")
        match bare(field.type):
            case mi.StructType() as inner:
                tables.append((where, about, inner, "[]"))
            case mi.VarTupleType(item_type=mi.StructType() as inner):
                tables.append((where, about, inner, "[[]]"))
            case mi.VarTupleType(item_type=mi.UnionType(types=kinds)):
                tables += [(where, about, inner, "[[]]") for inner in kinds if isinstance(inner, mi.StructType)]
            case mi.DictType(value_type=mi.StructType() as inner):
                tables.append((f"{where}.<{_noun(where)}>", about, inner, "[]"))
            case _:
                options.append(Option(field.encode_name, rule_of(field.type), _default(field), about))
    if options:
        middle = len(brackets) // 2
        header = f"{brackets[:middle]}{path}{brackets[middle:]}"
        text = " ".join(filter(None, (inspect.getdoc(node.cls), effect)))
        yield Section(header, text, tuple(options))
    for inner_path, about, inner, kind_of_brackets in tables:
        yield from _sections(inner_path, about, inner, kind_of_brackets)


def _noun(path: str) -> str:
    """Name one of the tables at `path`: `accounts` are accounts, each is an account."""
    name = path.rpartition(".")[2]
    return name.removesuffix("ies") + "y" if name.endswith("ies") else name.removesuffix("s")


def _default(field: mi.Field) -> str:
    if field.required:
        return REQUIRED
    return as_toml(field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory())


@cache
def _docstrings(cls: type) -> dict[str, str]:
    """Return the text under each field: Python keeps it in the source only."""
    found: dict[str, str] = {}
    for base in reversed([base for base in cls.__mro__ if base.__module__.startswith(_OURS)]):
        body = ast.parse(inspect.getsource(base)).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                    found[name] = inspect.cleandoc(doc)
    return found


if __name__ == "__main__":
    sys.stdout.write(render())
