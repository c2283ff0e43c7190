"""Plans in, digests out: the launch measurements of every isolation technology."""
