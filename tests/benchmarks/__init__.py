"""How fast the program is, against what a user would pick instead and against the floor."""
