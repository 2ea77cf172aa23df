"""The calculator: one HTML file with a model card inside, which works without a network."""
