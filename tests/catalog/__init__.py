"""Catalogs: one contract for all, then what is special about each."""
