"""What travels: applications in, decisions out, in every format. No HTTP."""
