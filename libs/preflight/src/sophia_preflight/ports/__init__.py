"""Who asks whom on which port, who listens where, and where what asks and listens is told it."""
