"""How sphinx builds the documentation; `make docs` runs it with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

import igvm.launch.plan
from igvm import IgvmFile, PlatformType
from igvm._version import __version__

sys.path.insert(0, str(Path(__file__).parent))
import generate_rules
import generate_structures

generate_rules.generate()
generate_structures.generate()
# For the signature of a struct its annotations are evaluated; these names are there for type
# checkers only.
vars(igvm.launch.plan).update(IgvmFile=IgvmFile, NDArray=NDArray, PlatformType=PlatformType, np=np)

# msgspec annotates its structs with a name that its module does not have.
vars(sys.modules[msgspec.Struct.__module__])["ClassVar"] = ClassVar

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
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_title = f"igvm {release}"
