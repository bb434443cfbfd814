"""The address of the browser's files names what is in them."""

from __future__ import annotations

from pathlib import Path

from frontend.ui.assets import fingerprint


def test_the_address_changes_with_every_name_and_every_content(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.mjs").write_text("1")
    seen = [fingerprint(tmp_path)]
    assert fingerprint(tmp_path) == seen[0]
    (tmp_path / "a" / "b.mjs").write_text("2")
    seen.append(fingerprint(tmp_path))
    (tmp_path / "a" / "b.mjs").rename(tmp_path / "a" / "c.mjs")
    seen.append(fingerprint(tmp_path))
    (tmp_path / "c.css").write_text("")
    seen.append(fingerprint(tmp_path))
    assert len(set(seen)) == len(seen)
