"""What files of known formats may hold, written down so that a violation reads like the tool's own complaint."""
