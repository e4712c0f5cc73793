"""REST under /api/v1/: one module per noun. Translates in, makes one domain call, translates out; decides nothing."""
