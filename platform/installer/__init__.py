"""Sets this machine up for Selfsmith and runs it there.

Standard library only and Python 3.9: it starts before there is a virtual environment, and it makes that environment.
It must import nothing of Django, `config` or `apps`; those are called as programs.
"""
