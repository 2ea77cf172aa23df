"""Files that a site writes. They are checked as a whole before a database is opened."""
