"""Pages about one patient. The calculator is one file that computes in the browser."""
