"""Cases as folders: input and expected output side by side."""
