"""What a deployment is and how it is decided: nouns, decisions and the ports they need."""
