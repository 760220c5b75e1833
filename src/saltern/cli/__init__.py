"""Entry points: options, printing, exit codes. The only layer that prints."""
