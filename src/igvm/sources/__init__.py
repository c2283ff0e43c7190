"""Formats that images are made from and that loaders know; nothing here knows of IGVM."""
