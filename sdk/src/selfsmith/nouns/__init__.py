"""One module per noun of the platform: translates a call into a request, and the answer into a typed value."""
