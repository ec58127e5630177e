"""Let ``pytest benchmarks`` find the package it lies in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
