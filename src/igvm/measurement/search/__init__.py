"""Which loader and which host lead to a digest: a search over what they vary."""
