"""Forms of the pages: plain and typed. They read what a browser sent; whether it may happen is for the services."""
