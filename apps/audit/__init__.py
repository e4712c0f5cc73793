"""The append-only record of who did what. Everyone calls audit.services.record(); nobody changes a record."""
