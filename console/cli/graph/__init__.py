"""The commands about links, reach, rights and owners."""
