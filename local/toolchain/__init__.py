"""What turns a fresh machine into one that can run the program."""
