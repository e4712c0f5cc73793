"""The Django project: settings, addresses, and the ASGI and Celery applications. No domain logic."""
