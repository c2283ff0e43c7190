"""What several loaders of one program share: facts, page runs, and rules."""
