"""
Bounces and complaints: read them from mailboxes, and decide what follows.

`mailboxes.open_box` opens the mailbox they arrive in, `parsing.read_report` parses one mail,
`scoring.suppression_reason` decides about the address. Nothing here accesses the store: a function
passed in verifies tokens.
"""
