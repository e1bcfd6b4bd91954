"""Removal of recordings from all that an output holds: tables, deliveries, pages, evaluations."""
