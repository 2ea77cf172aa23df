"""Statistical disclosure control: true figures in, protected figures out."""
