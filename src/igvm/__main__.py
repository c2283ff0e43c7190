"""`python -m igvm`: the command line."""

from __future__ import annotations

from igvm.cli import main

if __name__ == "__main__":
    main()
