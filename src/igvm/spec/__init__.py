"""The format as data: every structure, enum, flag and constant of the specification."""
