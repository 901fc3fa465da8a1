"""One audit, shown: page, Markdown, LaTeX, terminal, model card."""
