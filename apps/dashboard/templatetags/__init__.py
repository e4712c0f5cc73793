"""Template tags of the pages. They present values; they never query or decide."""
