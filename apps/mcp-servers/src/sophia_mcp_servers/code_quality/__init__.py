"""What ruff and bandit find in a piece of Python."""
