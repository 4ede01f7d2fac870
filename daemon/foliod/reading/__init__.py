"""What runs in the process that reads a PDF, and the messages it sends: nothing here reaches the database or the network."""
