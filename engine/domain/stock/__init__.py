"""What is there, who is promised it, and every way it moves: the books and all that is decided about them."""
