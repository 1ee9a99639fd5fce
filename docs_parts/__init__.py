"""What the documentation's site is made with, beside its pages; readers of the pages need none of it."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
