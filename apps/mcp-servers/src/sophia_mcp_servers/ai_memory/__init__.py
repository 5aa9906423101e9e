"""What Sophia remembers: texts in SQLite, found again by their words."""
