"""Day two: backups, outdated packages, pages about a cloud. Acts through the engine, decides nothing about rollouts."""
