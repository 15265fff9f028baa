"""Keeping the cache within its bounds: a hand that walks over the renditions and evicts what is least worth its bytes."""
