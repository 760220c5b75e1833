"""Salt formulas in, low state and metadata out: sources and their lock, and the client of the Salt worker."""
