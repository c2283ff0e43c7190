"""New files: the one writer, Builder, and the forms of a file that are written anew."""
