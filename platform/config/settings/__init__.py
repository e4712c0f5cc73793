"""base holds all that does not differ; embedded, production and test are thin."""
