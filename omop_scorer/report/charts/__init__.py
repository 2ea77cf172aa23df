"""Charts of the population report, drawn as SVG."""
