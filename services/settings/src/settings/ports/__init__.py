"""What the handlers need, in our words: nothing inside knows a vendor's field or a database row."""
