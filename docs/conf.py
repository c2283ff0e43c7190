"""How sphinx builds the documentation; `make docs` runs it with warnings as errors."""

from __future__ import annotations

from igvm._version import __version__

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
