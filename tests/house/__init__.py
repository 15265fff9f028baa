"""The rules of the house that a tool does not check: order of imports, sizes, names, words, dependencies."""
