"""Metric families as Prometheus text, several times faster than the library's: the event loop stands still meanwhile.

Source: Prometheus exposition formats, text format 0.0.4.
"""

import math
from collections.abc import Iterable

from prometheus_client import Metric

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})


def render_text(families: Iterable[Metric]) -> str:
    """Render counters, gauges and histograms, in the order given; samples keep the order of their labels."""
    lines: list[str] = []
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        lines += (
            f"# HELP {name} {family.documentation.translate(_HELP_ESCAPES)}\n",
            f"# TYPE {name} {family.type}\n",
        )
        for sample in family.samples:
            value = _number(sample.value)
            if sample.labels:
                labels = ",".join([f'{key}="{text.translate(_ESCAPES)}"' for key, text in sample.labels.items()])
                lines.append(f"{sample.name}{{{labels}}} {value}\n")
            else:
                lines.append(f"{sample.name} {value}\n")
    return "".join(lines)


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
