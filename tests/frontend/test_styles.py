"""One class, one sheet: a name that two sheets lay out is drawn by whichever comes last."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

STYLES = Path(__file__).resolve().parents[2] / "frontend" / "assets" / "styles"
NARROW = "narrow"
"""What is different on small screens, whoever's it is."""


def test_no_two_concerns_lay_out_one_class() -> None:
    sheets = defaultdict(set)
    for sheet in STYLES.glob("*.css"):
        css = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
        for selectors in re.findall(r"([^{}]+)\{", css):
            for selector in selectors.split(","):
                if re.fullmatch(r"\.ev-[\w-]+", selector.strip()):
                    sheets[selector.strip()].add(sheet.stem.split("_")[0])  # a page may have several sheets
    assert len(sheets) > 300
    shared = {name: concerns - {NARROW} for name, concerns in sheets.items() if len(concerns - {NARROW}) > 1}
    assert shared == {}
