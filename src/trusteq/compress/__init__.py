"""Making compressed models, and training them."""
