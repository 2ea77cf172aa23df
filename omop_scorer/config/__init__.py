"""Files that a site writes, checked as a whole before a database is opened."""
