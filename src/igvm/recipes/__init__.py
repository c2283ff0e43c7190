"""From other formats to IGVM files."""
