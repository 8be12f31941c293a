"""`lull doctor`: what is set up, what is amiss, what is not known for sure."""
