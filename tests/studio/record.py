"""Record the reference pictures again, after a change that was meant to move pixels: python tests/studio/record.py."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image
from test_render import DRAWN, REFERENCE, four, here

from bfrbench.digests import of_array

if __name__ == "__main__":
    shots = four()
    Image.fromarray(np.hstack([shot.image for shot in shots])).save(DRAWN)
    recorded = {"on": here(), "digests": [of_array(shot.image) for shot in shots]}
    REFERENCE.write_text(json.dumps(recorded, indent=2) + "\n")
