"""Pages on trial data: what models say, what they are worth, and which trial would show it."""
