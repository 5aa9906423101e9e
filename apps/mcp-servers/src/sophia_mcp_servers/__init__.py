"""MCP servers: gateway, ai-memory, code-quality."""
