"""One module a loader, named after it: what it does with a file, and why it refuses one."""
