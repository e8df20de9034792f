"""Replacing a value so that nothing is lost: mint, deliver, wait for consumers, end the old one."""
