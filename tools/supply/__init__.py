"""What the project is made of: its locks, their licences, their bill of materials, and what is known against them."""
