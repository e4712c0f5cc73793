"""MCP at /mcp: a workspace's functions as tools, and the forge in which agents from outside make new ones."""
