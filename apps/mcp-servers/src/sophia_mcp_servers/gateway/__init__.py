"""One MCP endpoint for the tools of several MCP servers."""
