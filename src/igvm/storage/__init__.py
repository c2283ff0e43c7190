"""Bytes on disk and in memory: mapped, read, joined, saved whole; nothing of IGVM is known."""
