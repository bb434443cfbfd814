"""Colour scales of the picture route, as anchors between which colours are interpolated: at most 4 in 255 from the published tables.

cividis: Nunez, Anderton and Renslow, PLOS ONE 13(7), 2018. coolwarm: Moreland, "Diverging color maps for scientific visualization", 2009.
"""

from __future__ import annotations

import numpy as np

CIVIDIS = (
    "00224e 002656 002a5f 002d68 003070 083370 163770 203a6f 273e6e 2e416d 34456c 3a486c 3f4c6c 444f6c 49536c 4e566c "
    "535a6d 575d6d 5c616e 60646f 656870 696b71 6d6f72 727274 767676 7a7a78 7e7d78 838179 888578 8d8878 928c78 969077 "
    "9b9476 a09875 a59c74 aaa073 afa471 b5a86f baac6d bfb06b c4b468 c9b965 cfbd62 d4c15f dac65b dfca57 e5cf52 ead34c "
    "f0d846 f6dd3f fce236 fee838"
)
COOLWARM = (
    "3b4cc0 4055c8 465ecf 4c66d6 536edd 5977e3 5f7fe8 6687ed 6c8ff1 7396f5 7a9df8 81a4fb 88abfd 8fb1fe 96b7ff 9dbdff "
    "a3c2fe aac7fd b1cbfc b7cff9 bed2f6 c4d5f3 cad8ef cfdaea d5dbe5 dadce0 dfdbd9 e4d9d2 e9d5cb edd2c3 f0cdbb f2c9b4 "
    "f5c4ac f6bea4 f7b89c f7b194 f7aa8c f6a385 f59c7d f39475 f08b6e ed8366 e97a5f e57058 e16751 dc5d4a d65244 d0473d "
    "ca3b37 c32e31 bb1b2c b40426"
)


def ramp(anchors: str, share: np.ndarray) -> np.ndarray:
    """Colours float `[..., 3]` in 0..255 for shares in 0..1."""
    table = np.array([[int(word[i : i + 2], 16) for i in (0, 2, 4)] for word in anchors.split()], np.float64)
    places = np.linspace(0.0, 1.0, len(table))
    return np.stack([np.interp(share, places, table[:, channel]) for channel in range(3)], axis=-1)
