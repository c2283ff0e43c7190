"""Fixed-size little-endian structures: one declaration, three views of the bytes."""
