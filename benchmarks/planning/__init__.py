"""Plans of a large cloud: a generated model, and an engine in memory on which all of it runs."""
