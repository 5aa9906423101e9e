"""MCP servers: gateway, ai-memory, code-quality. Each is one process; `python -m sophia_mcp_servers NAME` runs it."""
