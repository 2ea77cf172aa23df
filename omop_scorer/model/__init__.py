"""Model cards and their arithmetic, independent of databases and of any one disease."""
