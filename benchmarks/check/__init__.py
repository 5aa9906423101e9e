"""How many of the planted defects `sophia check` finds, what it takes for one and is none, and how long it takes."""
