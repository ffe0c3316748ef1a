"""GTINs: the numbers under barcodes. EAN-8, UPC-A, EAN-13 and ITF-14 are one family with one check digit."""

from typing import Final

LENGTHS: Final = (8, 12, 13, 14)
"""GTIN-8, GTIN-12 (UPC-A), GTIN-13 (EAN), GTIN-14 (cases)."""
_LONGEST: Final = LENGTHS[-1]
_KINDS: Final = ", ".join(map(str, LENGTHS[:-1])) + f" or {_LONGEST}"
_SEPARATORS: Final = str.maketrans("", "", " -")


def tidy_barcode(text: str) -> str:
    """Take away the blanks and hyphens that people print between the digits."""
    return text.translate(_SEPARATORS)


def check_barcode(digits: str) -> str | None:
    """Say what is wrong with a tidied barcode, or None when it is a GTIN.

    Source: GS1 General Specifications, section 7.9 (check digit).
    """
    if not (digits.isascii() and digits.isdigit()):
        return f"barcode {digits[:40]!r} must be digits"
    if len(digits) not in LENGTHS:
        lost = len(digits) + 1 in LENGTHS and compute_check_digit(digits[:-1]) == digits[-1]
        hint = "; did a spreadsheet take a leading zero away?" if lost else ""
        return f"barcode {digits[:40]!r} has {len(digits)} digits, a GTIN has {_KINDS}{hint}"
    expected = compute_check_digit(digits[:-1])
    if digits[-1] != expected:
        return f"barcode {digits!r} ends in {digits[-1]}, its check digit would be {expected}: is a digit mistyped?"
    return None


def compute_check_digit(digits: str) -> str:
    """Return the digit that belongs behind these: weights 3 and 1 in turns, from the right."""
    total = 3 * sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2]))
    return str(-total % 10)


def barcode_key(digits: str) -> int:
    """Return what two spellings of one GTIN have in common: UPC-A is EAN-13 with a zero in front, and so on.

    A GTIN is the number itself; GS1 fills it up to 14 digits with zeros.
    """
    return int(digits)
