"""Whether the record is unaltered: everything that can be checked, by whom it is vouched for,
and what to do about each finding.
"""
