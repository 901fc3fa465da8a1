"""What an example is: one file for each kind, with its units and how one is taken away."""
