"""What may say how strange a text is, beside the probabilities of the labels? The names of such scores."""

SURPRISES = ("perplexity", "vocabulary")  # what a language model makes of it; higher is further from what it knows
OF_TEXTS = (*SURPRISES, "hidden")  # "hidden": how far a text's embedding is from those of ordinary texts
