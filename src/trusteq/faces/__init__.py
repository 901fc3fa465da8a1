"""What evaluate and gradio see: metrics with batches and processes, and the page of a metric."""
