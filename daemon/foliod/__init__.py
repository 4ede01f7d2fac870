"""foliod watches folders, reads every PDF dropped there, and answers questions about them."""
