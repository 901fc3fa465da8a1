"""One way to talk to a model, whatever it is."""
