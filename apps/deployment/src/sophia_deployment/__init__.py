"""The engine, its HTTP interface and the `sophia` command line: the composition root."""
