"""What loader rules look for, by subject; which loader has which rule is said with the loader."""
