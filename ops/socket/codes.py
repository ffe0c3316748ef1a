"""What replies call a SKU: the engine speaks of ids, callers read the codes of today.

Every reply passes here once any SKU was renamed or merged, so no command has to think of it. Maps name a SKU under
a handful of keys; refusals name it as `sku=...`.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from engine.domain.catalogue.codes import Codes
from engine.domain.commands import Granted, Moved, Refusal
from engine.domain.units import Sku
from ops.socket.resp import ErrorReply

_NAMING: Final = frozenset({"sku", "component", "bundle", "into"})
"""Keys of maps whose value is the id of a SKU, wherever they stand."""


def show_codes(answer: object, codes: Codes) -> object:
    """Return an answer or a plain value with the code of today wherever it names a SKU."""
    code_of = codes.code_of
    match answer:
        case Granted(lines=lines):
            renamed = tuple([(code_of(sku), location, units) for sku, location, units in lines])
            return msgspec.structs.replace(answer, lines=renamed)
        case Moved(movements=movements):
            renamed_moves = tuple([msgspec.structs.replace(each, sku=code_of(each.sku)) for each in movements])
            return msgspec.structs.replace(answer, movements=renamed_moves)
        case Refusal(code=code, text=text):
            return Refusal(code=code, text=_rename_in(text, code_of))
        case ErrorReply():
            return ErrorReply(answer.code, _rename_in(answer.text, code_of))
        case dict() | list() | tuple():
            return _walk(answer, code_of)
        case _:
            return answer


def _walk(value: Any, code_of: Callable[[Sku], Sku]) -> Any:  # noqa: ANN401 - any value that RESP has
    if isinstance(value, dict):
        return {
            key: code_of(Sku(each)) if key in _NAMING and isinstance(each, str) else _walk(each, code_of)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_walk(each, code_of) for each in value]
    return value


def _rename_in(text: str, code_of: Callable[[Sku], Sku]) -> str:
    """Rename `sku=A-1` in a refusal. An id with a blank in it stays as it is: it means the same SKU still."""
    words: list[str] = []
    for word in text.split(" "):
        key, equals, sku = word.partition("=")
        words.append(f"{key}={code_of(Sku(sku))}" if equals and key in _NAMING else word)
    return " ".join(words)
