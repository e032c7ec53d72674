"""Prepares a host for sluiced: huge pages, VFIO, and cores that the kernel leaves alone. docs/setup.md describes the command.

The modules `hugepages`, `devices` and `cores` each compare the host with what sluiced's configuration needs, and return findings. A
finding says what is missing and has the changes that mend it, or the remedy where a person has to act. `changes` makes changes and takes
them back. `record` keeps the changes that were made.
"""
