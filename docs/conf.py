"""How sphinx builds the documentation; `make docs` runs it with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

from igvm._version import __version__

sys.path.insert(0, str(Path(__file__).parent))
from generate_rules import generate

generate()

project = "igvm"
author = "igvm contributors"
copyright = "2026, igvm contributors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"igvm {release}"
