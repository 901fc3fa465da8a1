"""The colours of all plots: one for each model, one for what both share, and one for what is said beside them."""

COMPRESSED, LARGE, BOTH, GREY = "#D55E00", "#0072B2", "#5B3A6B", "#666666"
