"""Day two: backups, outdated packages. Acts through the engine, decides nothing about rollouts."""
