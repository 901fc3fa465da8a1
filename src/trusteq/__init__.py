"""Can a compressed model stand in for the large one? Six dimensions of difference, audited, with a verdict for each."""
