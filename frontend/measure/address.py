"""The address of the Measure page: what it asks for. Written by assets/evident/dash/address.mjs, read by
assets/evident/measure/choice.mjs.

`?model=KEY&set=KEY&count=40&inputs=ID,ID&methods=KEY,KEY&metrics=KEY,KEY&settings={"KEY":{"NAME":5}}&target=label&seed=7&study=ID&cell=METHOD:METRIC&sort=METRIC&bench=tau:0.3,sigma:2&subject=ID`. `bench` and
`subject` are the setting and the input of the fusion bench; `input` is the input
that is open on other pages. What is left out is chosen by the page; what is gone is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMES = (
    "model",
    "set",
    "count",
    "inputs",
    "methods",
    "metrics",
    "settings",
    "target",
    "seed",
    "study",
    "cell",
    "sort",
    "bench",
    "subject",
)
LONGEST = 20_000


def read(query: Mapping[str, str]) -> dict[str, str]:
    """What of the address the page understands."""
    return {name: query[name] for name in NAMES if query.get(name) and len(query[name]) <= LONGEST}
