"""Attacks: goal, constraints, moves and search; recipes read like their papers."""
