"""Agents: tasks, the loop that works on them, the tools it offers to a model, and what people answer.

Model output is hostile input. A task that waits for a person, a run or a package holds no worker.
"""
