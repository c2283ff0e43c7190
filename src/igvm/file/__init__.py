"""Files as views: read, write, build, check; no hashing for measurement and no printing."""
