"""Two revisions → typed changes, their impact, and ordered steps with reasons. Pure."""
