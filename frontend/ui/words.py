"""What the page says. One place, so that a test can hold every word to the rule: maps show what the model
used, never what a person has."""

from __future__ import annotations

from app.core.schemas import Input

BANNER_LEAD = "Research and teaching only. Not a medical device."
BANNER = "Maps show what the model used, not what is wrong with the patient. Sound-based Covid models fell from AUC 0.85 to 0.62 once symptoms were matched."
BANNER_FULL = (
    "Research and teaching only. Not a medical device. Do not use to diagnose, rule out or triage. In the largest study, sound-based Covid models "
    "lost most of their accuracy once symptoms were matched (AUC 0.85 to 0.62). Maps show what the model used, not what is wrong with the patient."
)
SCORE = "Model score, not a probability"

MODALITY = {"image": "Image", "audio": "Sound", "spectrogram": "Spectrogram"}
ROLE = {"right": "Model right", "wrong": "Model wrong", "shortcut": "Shortcut", "example": "Example"}
ROLE_ICON = {"right": "check", "wrong": "error", "shortcut": "warning", "example": "info"}
ROLE_STATE = {"right": "ok", "wrong": "bad", "shortcut": "warning", "example": "unknown"}
QUALITY_ICON = {"good": "check", "fair": "info", "poor": "warning"}
GROUP = {
    "own": ("Yours", "Up to 48 files of your folder, mistakes first where they are labelled."),
    "photographs": ("Photographs", "SqueezeNet 1.1 knows 1,000 kinds of things. Some right, some wrong."),
    "sounds": ("Coughs", "Made by a program, so the evidence is known."),
    "drawings": ("Pictures with known evidence", "Drawn by a program; a sticker leads one network astray."),
}
"""Title and one sentence on each kind of sample."""
FAMILY = {
    "gradient": "Gradients",
    "cam": "Class activation",
    "perturbation": "Perturbation",
    "propagation": "Relevance propagation",
    "fusion": "Fusion",
    "concept": "Concepts",
}


def seconds(value: float | None) -> str:
    """`0.1 s`, `14 s`, `3 min`; empty when nothing was measured yet."""
    if value is None:
        return ""
    if value < 0.05:
        return "< 0.1 s"
    if value < 9.95:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 100 else f"{value / 60:.0f} min"


def expected(value: float | None, runs: int) -> str:
    """Seconds that a run will take; `about` while none of its kind was seen here."""
    return seconds(value) if runs or value is None else f"about {seconds(value)}"


def megabytes(value: float) -> str:
    return f"{value / 2**20:.0f} MB"


def millions(value: int) -> str:
    """Parameters: `11.7 M`, `98 k`."""
    return f"{value / 1e6:.1f} M" if value >= 1_000_000 else f"{value / 1e3:.0f} k"


def number(value: float) -> str:
    """Three digits that matter, thousands apart: 0.812, 1,240, 3.1e-05."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 0.001:
        return f"{value:.3g}"
    return f"{value:.1e}"


ACRONYMS = {"auc": "AUC", "cnn": "CNN", "snr": "SNR", "lrp": "LRP", "lime": "LIME", "r2": "R²", "kl": "KL"}


NAMES = {
    "r2": "R²: how well LIME's simple model fits",
    "intercept": "Score that the simple model gives with everything covered",
    "uncertainty": "Standard error, as a share of the map's spread",
    "change": "How far the last doubling of steps moved the map, as a share of its size",
    "conservation": "Sum of the map, as a share of the score",
    "lrp_gap": "What the sum of the LRP map misses, as a share of the score",
    "clipped": "Cut off because it speaks against, as a share of all",
    "segments": "Pieces",
    "sure_segments": "Pieces whose sign is sure (90 % band)",
    "samples": "Samples used",
    "sigma": "Noise added (standard deviation)",
    "score": "Score of this input (logit)",
    "baseline_score": "Score of what stands in for it (logit)",
    "area": "Share of the picture above the threshold",
    "p_value": "p: share of random concepts that score as much",
    "random_95": "95 % of random concepts score less than",
    "precision": "Precision of the numbers",
}
"""Of what methods state beside their maps, in plain words."""


def named(name: str) -> str:
    """Its plain name, or a label made of it."""
    return NAMES.get(name) or sentence(name)


def sentence(name: str) -> str:
    """`n_samples` -> `N samples`, `auc_by_person` -> `AUC by person`: a label for what has no title of its
    own."""
    text = " ".join(ACRONYMS.get(word, word) for word in name.replace("_", " ").split())
    return text[:1].upper() + text[1:]


def describe_input(value: Input) -> str:
    """`3.1 s · 8 kHz`, `640 x 480 px`, `64 x 128 cells`."""
    parts = []
    if value.seconds is not None:
        parts.append(f"{value.seconds:.1f} s")
    if value.rate is not None:
        parts.append(f"{value.rate / 1000:g} kHz")
    if value.width and value.height:
        parts.append(f"{value.width} × {value.height} {'px' if value.modality == 'image' else 'cells'}")
    return " · ".join(parts)
