"""A family of models, the work done once and kept, and verdicts."""
