"""ACL policies of OpenBao and Vault, opened: read, parsed, resolved, merged, and asked.

From below: ``hcl`` parses, ``stanza`` says what one path of a policy gives, ``template`` puts an
entity into a path, ``pattern`` says which paths a pattern covers, ``acl`` merges stanzas and finds
the one that decides, ``ways`` tells elevations and secrets, ``opening`` reads from the server.
"""
