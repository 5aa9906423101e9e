"""Readers: one for each kind of file, from text to a structure that knows the line and column of everything in it."""
