"""Runs tool jobs in processes of their own; imports the floor (``tools``) and nothing above it."""
