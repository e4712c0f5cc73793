"""What an operator watches: which processes live, how much waits, how old it is. Counts rows of all workspaces and names none."""
