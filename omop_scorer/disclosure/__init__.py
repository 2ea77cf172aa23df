"""Statistical disclosure control: it takes the true counts of a run and returns protected ones."""
