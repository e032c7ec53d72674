"""The checks of tools/check. Each file is one check, with a function that returns findings."""
