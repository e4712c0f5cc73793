"""Secrets, encrypted in three levels. People write them and never read them; runs and models open them; output is masked."""
