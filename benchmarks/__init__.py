"""The speed of the project's fits beside that of other tools, and against the size of the data."""
