"""The commands of the program and the tables that they print."""
