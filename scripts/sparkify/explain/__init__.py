"""Explain a value of the warehouse by its raw records, files, lines and rules.

Python applies the rules of docs/decisions/0002 to the raw records, independently of the
SQL of the models. An explanation reports if the two results differ.
"""
